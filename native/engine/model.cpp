#include "model.h"

#include "cpu-features.h"
#include "error.h"
#include "gguf-check.h"
#include "kernels.h"
#include "missing-memory.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

namespace jina_reranker {

namespace {

constexpr std::string_view kScoreToken     = "<|box_end|>";
// The model scores with id 100. Its published GGUF gives that id to the score token's text; one converted without the
// swap has the text at its original id.
constexpr llama_token      kUnswappedId    = 151649;
constexpr llama_token      kTrainedScoreId = 100;

ggml_backend_dev_t device_of(const Placement & placement) {
    const ggml_backend_dev_t        cpu     = usable_devices(Backend::cpu).front();
    std::vector<ggml_backend_dev_t> devices = { cpu };
    if (placement.n_gpu_layers > 0) {
        devices = usable_devices(placement.backend);
    }
    if (placement.device.empty()) {
        return devices.front();
    }
    if (devices.front() != cpu) {
        devices.push_back(cpu);
    }
    std::string known;
    for (ggml_backend_dev_t device : devices) {
        if (placement.device == ggml_backend_dev_name(device)) {
            return device;
        }
        known += (known.empty() ? "" : ", ") + std::string(ggml_backend_dev_name(device));
    }
    throw Error(ErrorCode::invalid_argument, "device: expected one of " + known + ", got \"" + placement.device + "\"");
}

}  // namespace

Model::Model(const std::string & path, const Placement & placement, const LoadProgress & progress) {
    device_             = device_of(placement);
    const GgufInfo file = check_gguf(path);
    own_matmul_         = !on_gpu() && !matmul_kernels(cpu_features()).empty() &&
                  std::all_of(file.layer_types.begin(), file.layer_types.end(), is_matmul_type);

    ggml_backend_dev_t                gpu     = on_gpu() ? device_ : nullptr;
    std::array<ggml_backend_dev_t, 2> devices = { gpu, nullptr };
    bool                              stopped = false;

    struct ProgressState {
        const LoadProgress & progress;
        bool &               stopped;
    } state{ progress, stopped };

    llama_model_params params          = llama_model_default_params();
    params.devices                     = devices.data();
    params.n_gpu_layers                = gpu != nullptr ? placement.n_gpu_layers : 0;
    params.use_extra_bufts             = !own_matmul_;
    // Repacked weights are copies: read into place rather than mapped, they are held once. And what is mapped could be
    // cut off while it is read, which ends the process.
    params.load_mode                   = gpu != nullptr ? LLAMA_LOAD_MODE_AUTO : LLAMA_LOAD_MODE_NONE;
    params.progress_callback_user_data = &state;
    params.progress_callback           = [](float fraction, void * user_data) {
        auto & current  = *static_cast<ProgressState *>(user_data);
        current.stopped = current.progress && !current.progress(fraction);
        return !current.stopped;
    };

    take_errors();
    {
        const BackendsInUse in_use = use_backends();
        model_.reset(llama_model_load_from_file(path.c_str(), params));
    }
    if (!model_) {
        const std::string reason = take_errors();
        if (stopped) {
            throw Error(ErrorCode::cancelled, "loading was stopped");
        }
        if (tell_of_missing_memory(reason)) {
            std::error_code unknown;
            throw Error(ErrorCode::out_of_memory,
                        path + ": no memory on " + ggml_backend_dev_name(device_) + " for its " +
                            std::to_string(std::filesystem::file_size(std::filesystem::u8path(path), unknown)) +
                            " bytes: free some, take a smaller quantization (PRECISION), or "
                            "leave layers on the CPU (N_GPU_LAYERS): " +
                            reason);
        }
        throw Error(ErrorCode::model_invalid,
                    path + ": llama.cpp could not load it" + (reason.empty() ? "" : ": " + reason));
    }
    // A head multiplies a cell's key and its value; the heads together are as wide as the embedding. These multiplications take
    // twice the time of those with the weights: measured with the demo model and AVX2, one document of 500 to 8,000 words.
    const double params_of_a_cell = 2.0 * llama_model_n_layer(model_.get()) * n_embd();
    attention_cells_              = static_cast<double>(file.n_layer_params) / (2 * params_of_a_cell);
    n_gpu_layers_                 = std::min(params.n_gpu_layers, llama_model_n_layer(model_.get()) + 1);

    std::array<llama_token, 8> tokens = {};
    const int32_t              n_tokens =
        llama_tokenize(vocab(), kScoreToken.data(), static_cast<int32_t>(kScoreToken.size()), tokens.data(),
                       static_cast<int32_t>(tokens.size()), /*add_special*/ false, /*parse_special*/ true);
    if (n_tokens != 1) {
        throw Error(ErrorCode::model_invalid, path + ": the score token " + std::string(kScoreToken) +
                                                  " must be one token of its tokenizer, it is " +
                                                  std::to_string(std::abs(n_tokens)));
    }
    score_token_ = tokens[0];
    if (score_token_ == kUnswappedId) {
        score_token_ = kTrainedScoreId;
        log_line(LogLevel::warn, path + ": " + std::string(kScoreToken) + " is token " + std::to_string(kUnswappedId) +
                                     ", as in the tokenizer the model was trained with; scoring with token " +
                                     std::to_string(kTrainedScoreId));
    }
}

void Model::describe(EngineInfo & info) const {
    std::array<char, 256> text = {};
    llama_model_meta_val_str(model_.get(), "general.architecture", text.data(), text.size());
    info.architecture = text.data();
    llama_model_desc(model_.get(), text.data(), text.size());
    info.description        = text.data();
    info.n_params           = llama_model_n_params(model_.get());
    info.size_bytes         = llama_model_size(model_.get());
    info.n_layer            = llama_model_n_layer(model_.get());
    info.n_embd             = n_embd();
    info.attention_cells    = attention_cells_;
    info.n_vocab            = llama_vocab_n_tokens(vocab());
    info.n_ctx_train        = llama_model_n_ctx_train(model_.get());
    info.score_token        = score_token_;
    info.n_gpu_layers       = n_gpu_layers_;
    info.device             = ggml_backend_dev_name(device_);
    info.device_description = ggml_backend_dev_description(device_);
}

}  // namespace jina_reranker
