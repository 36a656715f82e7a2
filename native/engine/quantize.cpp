#include "quantize.h"

#include "backend.h"
#include "error.h"
#include "ggml-cpp.h"
#include "gguf-check.h"
#include "llama.h"
#include "missing-memory.h"
#include "threads.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
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
        case QuantizeType::q5_k_m:
            return LLAMA_FTYPE_MOSTLY_Q5_K_M;
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

// A file that is being written. The destructor removes it, unless it was renamed before. Paths are UTF-8; u8path() tells
// Windows, which would read them in its own code page.
class UnfinishedFile {
  public:
    explicit UnfinishedFile(const std::string & path) : path_(std::filesystem::u8path(path)) {
        errno = 0;
        // llama.cpp does not say why it cannot write a file.
        if (!std::ofstream(path_, std::ios::binary | std::ios::trunc)) {
            throw Error(ErrorCode::engine_error, path + ": cannot be written: " + std::strerror(errno));
        }
    }

    ~UnfinishedFile() {
        std::error_code gone;
        std::filesystem::remove(path_, gone);
    }

    UnfinishedFile(const UnfinishedFile &)             = delete;
    UnfinishedFile & operator=(const UnfinishedFile &) = delete;
    UnfinishedFile(UnfinishedFile &&)                  = delete;
    UnfinishedFile & operator=(UnfinishedFile &&)      = delete;

  private:
    std::filesystem::path path_;
};

// A file must not be read while it is written.
void require_another_file(const std::string & input, const std::string & output) {
    std::error_code missing;
    if (std::filesystem::equivalent(std::filesystem::u8path(input), std::filesystem::u8path(output), missing)) {
        throw Error(ErrorCode::invalid_argument,
                    "outputPath: " + output + " is the file that is read; expected another one");
    }
}

std::string free_bytes(const std::string & output) {
    std::error_code error;
    const auto      folder = std::filesystem::u8path(output).parent_path();
    const auto      space  = std::filesystem::space(folder.empty() ? "." : folder, error);
    return error ? "" : "; " + std::to_string(space.available) + " bytes are free on its disk";
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
        } else if (ggml_n_dims(tensor) == 2) {
            info.matrix_types.insert(tensor->type);
        }
    }
    return info;
}

void quantize(const std::string &         input_path,
              const std::string &         output_path,
              std::optional<QuantizeType> type,
              const QuantizeOptions &     options) {
    require_backends();
    const WeightsInfo source  = inspect(input_path);
    const std::string partial = output_path + ".partial";
    require_another_file(input_path, output_path);
    require_another_file(input_path, partial);

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

    const std::string    failed = input_path + ": could not be quantized to " + output_path;
    const UnfinishedFile unfinished(partial);
    take_errors();
    uint32_t status = 0;
    {
        const BackendsInUse in_use = use_backends();
        status                     = llama_model_quantize(input_path.c_str(), partial.c_str(), &params);
    }
    if (status != 0) {
        const std::string reason = take_errors();
        throw Error(tell_of_missing_memory(reason) ? ErrorCode::out_of_memory : ErrorCode::engine_error,
                    failed + ": " + reason + free_bytes(output_path));
    }
    try {
        check_gguf(partial);  // llama.cpp does not notice every write that fails
    } catch (const Error & error) {
        throw Error(ErrorCode::engine_error, failed + ": " + error.what() + free_bytes(output_path));
    }
    std::error_code error;
    std::filesystem::rename(std::filesystem::u8path(partial), std::filesystem::u8path(output_path), error);
    if (error) {
        throw Error(ErrorCode::engine_error, failed + ": " + error.message());
    }
}

}  // namespace jina_reranker
