#include "quantize.h"

#include "backend.h"
#include "error.h"
#include "gguf-check.h"
#include "llama.h"
#include "threads.h"

#include <filesystem>
#include <system_error>

namespace jina_reranker {

namespace {

llama_ftype ftype_of(QuantizeType type) {
    switch (type) {
        case QuantizeType::f32:
            return LLAMA_FTYPE_ALL_F32;
        case QuantizeType::f16:
            return LLAMA_FTYPE_MOSTLY_F16;
        case QuantizeType::q8_0:
            return LLAMA_FTYPE_MOSTLY_Q8_0;
        case QuantizeType::q4_k_m:
            return LLAMA_FTYPE_MOSTLY_Q4_K_M;
    }
    return LLAMA_FTYPE_MOSTLY_F16;
}

}  // namespace

void quantize(const std::string & input_path, const std::string & output_path, QuantizeType type, int32_t n_threads) {
    require_backends();
    check_gguf(input_path);

    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.nthread                     = n_threads > 0 ? n_threads : default_thread_count();
    params.ftype                       = ftype_of(type);
    params.allow_requantize            = true;

    const std::string partial = output_path + ".partial";
    take_last_error();
    const uint32_t  status = llama_model_quantize(input_path.c_str(), partial.c_str(), &params);
    std::error_code error;
    if (status == 0) {
        std::filesystem::rename(partial, output_path, error);
    }
    if (status != 0 || error) {
        const std::string reason = error ? error.message() : take_last_error();
        std::filesystem::remove(partial, error);
        throw Error(ErrorCode::engine_error,
                    input_path + ": could not be quantized to " + output_path + (reason.empty() ? "" : ": " + reason));
    }
}

}  // namespace jina_reranker
