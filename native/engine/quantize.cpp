#include "quantize.h"

#include "backend.h"
#include "error.h"
#include "ggml-cpp.h"
#include "gguf-check.h"
#include "llama.h"
#include "threads.h"

#include <filesystem>
#include <system_error>
#include <vector>

namespace jina_reranker {

namespace {

llama_ftype ftype_of(QuantizeType type) {
    switch (type) {
        case QuantizeType::f32:
            return LLAMA_FTYPE_ALL_F32;
        case QuantizeType::f16:
            return LLAMA_FTYPE_MOSTLY_F16;
        case QuantizeType::bf16:
            return LLAMA_FTYPE_MOSTLY_BF16;
        case QuantizeType::q8_0:
            return LLAMA_FTYPE_MOSTLY_Q8_0;
        case QuantizeType::q4_k_m:
            return LLAMA_FTYPE_MOSTLY_Q4_K_M;
    }
    return LLAMA_FTYPE_MOSTLY_F16;
}

// All layers but n_kept in the middle, ended by -1 as llama.cpp wants it.
std::vector<int32_t> layers_to_drop(int32_t n_layer, int32_t n_kept) {
    const int32_t        first = (n_layer - n_kept) / 2;
    std::vector<int32_t> layers;
    for (int32_t layer = 0; layer < n_layer; ++layer) {
        if (layer < first || layer >= first + n_kept) {
            layers.push_back(layer);
        }
    }
    layers.push_back(-1);
    return layers;
}

}  // namespace

WeightsInfo inspect(const std::string & path) {
    check_gguf(path);
    ggml_context *         context = nullptr;
    const gguf_context_ptr file(gguf_init_from_file(path.c_str(), { /*.no_alloc =*/true, /*.ctx =*/&context }));
    const ggml_context_ptr tensors(context);
    if (!file || !tensors) {
        throw Error(ErrorCode::model_invalid, path + ": its tensors could not be listed");
    }
    WeightsInfo info;
    if (const int64_t key = gguf_find_key(file.get(), "general.architecture"); key >= 0) {
        const std::string name = std::string(gguf_get_val_str(file.get(), key)) + ".block_count";
        if (const int64_t count = gguf_find_key(file.get(), name.c_str()); count >= 0) {
            info.n_layer = static_cast<int32_t>(gguf_get_val_u32(file.get(), count));
        }
    }
    for (ggml_tensor * tensor = ggml_get_first_tensor(context); tensor != nullptr;
         tensor               = ggml_get_next_tensor(context, tensor)) {
        const auto n = static_cast<uint64_t>(ggml_nelements(tensor));
        info.n_params += n;
        info.n_bytes += ggml_nbytes(tensor);
        if (std::string(ggml_get_name(tensor)) == "token_embd.weight") {
            info.n_embedding_params = n;
            info.n_embedding_bytes  = ggml_nbytes(tensor);
            info.embedding_type     = tensor->type;
        }
    }
    return info;
}

void quantize(const std::string &         input_path,
              const std::string &         output_path,
              std::optional<QuantizeType> type,
              const QuantizeOptions &     options) {
    require_backends();
    const WeightsInfo source = inspect(input_path);

    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.nthread                     = options.n_threads > 0 ? options.n_threads : default_thread_count();
    params.only_copy                   = !type;
    params.allow_requantize            = true;
    if (type) {
        params.ftype = ftype_of(*type);
    }
    if (options.keep_embeddings) {
        params.token_embedding_type = source.embedding_type;
    }
    std::vector<int32_t> dropped;
    if (options.n_layers > 0 && options.n_layers < source.n_layer) {
        dropped             = layers_to_drop(source.n_layer, options.n_layers);
        params.prune_layers = dropped.data();
    }

    const std::string partial = output_path + ".partial";
    // Paths are UTF-8, which Windows takes for its own code page without being told.
    const auto        partial_path = std::filesystem::u8path(partial);
    take_last_error();
    const uint32_t  status = llama_model_quantize(input_path.c_str(), partial.c_str(), &params);
    std::error_code error;
    if (status == 0) {
        std::filesystem::rename(partial_path, std::filesystem::u8path(output_path), error);
    }
    if (status != 0 || error) {
        const std::string reason = error ? error.message() : take_last_error();
        std::filesystem::remove(partial_path, error);
        throw Error(ErrorCode::engine_error,
                    input_path + ": could not be quantized to " + output_path + (reason.empty() ? "" : ": " + reason));
    }
}

}  // namespace jina_reranker
