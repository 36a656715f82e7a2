#pragma once

// What became of a graph that was to be computed, with what ggml and drivers said of it.

#include "error.h"
#include "ggml.h"
#include "log.h"
#include "missing-memory.h"

#include <string>

namespace jina_reranker {

// Throws out_of_memory or engine_error unless it was computed. what: its subject, for the message. take_errors() was called
// before the graph was run.
inline void require_success(ggml_status status, const std::string & what) {
    if (status == GGML_STATUS_SUCCESS) {
        return;
    }
    const std::string reason = take_errors();
    throw Error(status == GGML_STATUS_ALLOC_FAILED || tell_of_missing_memory(reason) ? ErrorCode::out_of_memory :
                                                                                       ErrorCode::engine_error,
                what + " ended with " + std::string(ggml_status_to_string(status)) +
                    (reason.empty() ? "" : ": " + reason));
}

}  // namespace jina_reranker
