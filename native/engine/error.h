#pragma once

// The one kind of failure the engine reports. Codes are those of binding.d.ts; the addon turns them into typed
// JavaScript errors.

#include <stdexcept>
#include <string>

namespace jina_reranker {

enum class ErrorCode {
    invalid_argument,
    model_not_found,
    model_invalid,
    head_invalid,
    backend_unavailable,
    out_of_memory,
    queue_full,
    query_too_long,
    document_too_long,
    images_not_supported,
    invalid_score,
    cancelled,
    closed,
    engine_error,
};

inline const char * error_code_name(ErrorCode code) {
    switch (code) {
        case ErrorCode::invalid_argument:
            return "invalid_argument";
        case ErrorCode::model_not_found:
            return "model_not_found";
        case ErrorCode::model_invalid:
            return "model_invalid";
        case ErrorCode::head_invalid:
            return "head_invalid";
        case ErrorCode::backend_unavailable:
            return "backend_unavailable";
        case ErrorCode::out_of_memory:
            return "out_of_memory";
        case ErrorCode::queue_full:
            return "queue_full";
        case ErrorCode::query_too_long:
            return "query_too_long";
        case ErrorCode::document_too_long:
            return "document_too_long";
        case ErrorCode::images_not_supported:
            return "images_not_supported";
        case ErrorCode::invalid_score:
            return "invalid_score";
        case ErrorCode::cancelled:
            return "cancelled";
        case ErrorCode::closed:
            return "closed";
        case ErrorCode::engine_error:
            return "engine_error";
    }
    return "engine_error";
}

class Error : public std::runtime_error {
  public:
    Error(ErrorCode error_code, const std::string & message) : std::runtime_error(message), code(error_code) {}

    ErrorCode code;
};

}  // namespace jina_reranker
