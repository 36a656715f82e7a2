#include "model.h"

#include "error.h"
#include "gguf-check.h"
#include "missing-memory.h"
#include "weights.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <set>

namespace jina_reranker {

namespace {

constexpr std::string_view kScoreToken     = "<|box_end|>";
constexpr std::string_view kImageBegin     = "<|vision_start|>";
constexpr std::string_view kImageEnd       = "<|vision_end|>";
// The model scores with id 100. Its published GGUF gives that id to the score token's text; one converted without the
// swap has the text at its original id.
constexpr llama_token      kUnswappedId    = 151649;
constexpr llama_token      kTrainedScoreId = 100;

}  // namespace

Model::Model(const EngineOptions & options) : file_(options.model_path) {
    const GgufInfo   info  = check_gguf(file_);
    const ModelShape shape = shape_of(file_);
    n_layer_               = shape.n_layer;
    n_embd_                = shape.n_embd;
    placement_             = place(options, n_layer_);
    // A head multiplies a cell's key and its value; the heads together are as wide as the embedding. These multiplications take
    // twice the time of those with the weights: measured with the demo model and AVX2, one document of 500 to 8,000 words.
    n_layer_params_        = static_cast<double>(info.n_layer_params);
    attention_cells_       = n_layer_params_ / (2 * 2.0 * n_layer_ * n_embd_);
    load_vocabulary();
    find_score_token();
}

void Model::load_vocabulary() {
    llama_model_params params = llama_model_default_params();
    params.vocab_only         = true;
    take_errors();
    {
        const BackendsInUse in_use = use_backends();
        model_.reset(llama_model_load_from_file(file_.path().c_str(), params));
    }
    if (!model_) {
        const std::string reason = take_errors();
        throw Error(tell_of_missing_memory(reason) ? ErrorCode::out_of_memory : ErrorCode::model_invalid,
                    file_.path() + ": llama.cpp could not read its vocabulary" + (reason.empty() ? "" : ": " + reason));
    }
}

std::optional<llama_token> Model::special_token(std::string_view text) const {
    std::array<llama_token, 16> tokens = {};
    const int32_t               n_tokens =
        llama_tokenize(vocab(), text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                       static_cast<int32_t>(tokens.size()), /*add_special*/ false, /*parse_special*/ true);
    return n_tokens == 1 ? std::optional(tokens[0]) : std::nullopt;
}

ImageMarks Model::image_marks() const {
    const auto begin = special_token(kImageBegin);
    const auto end   = special_token(kImageEnd);
    if (!begin || !end) {
        file_.fail("its tokenizer has no " + std::string(begin ? kImageEnd : kImageBegin) +
                   ", which marks an image: it ranks text only");
    }
    return { *begin, *end };
}

void Model::find_score_token() {
    const auto token = special_token(kScoreToken);
    if (!token) {
        file_.fail("the score token " + std::string(kScoreToken) + " must be one token of its tokenizer");
    }
    score_token_ = *token;
    if (score_token_ == kUnswappedId) {
        score_token_ = kTrainedScoreId;
        log_line(LogLevel::warn, file_.path() + ": " + std::string(kScoreToken) + " is token " +
                                     std::to_string(kUnswappedId) +
                                     ", as in the tokenizer the model was trained with; scoring with token " +
                                     std::to_string(kTrainedScoreId));
    }
}

void Model::describe(EngineInfo & info) const {
    std::set<std::string> types;
    for (ggml_tensor * tensor = ggml_get_first_tensor(file_.tensors()); tensor != nullptr;
         tensor               = ggml_get_next_tensor(file_.tensors(), tensor)) {
        info.n_params += static_cast<uint64_t>(ggml_nelements(tensor));
        if (ggml_n_dims(tensor) == 2) {
            types.insert(ggml_type_name(tensor->type));
        }
    }
    info.size_bytes                 = file_.tensor_bytes();
    info.architecture               = file_.string("general.architecture");
    std::array<char, 32> n_billions = {};
    std::snprintf(n_billions.data(), n_billions.size(), " %.2fB", static_cast<double>(info.n_params) / 1e9);
    info.description = info.architecture + n_billions.data();
    for (std::string type : types) {
        std::transform(type.begin(), type.end(), type.begin(),
                       [](unsigned char letter) { return static_cast<char>(std::toupper(letter)); });
        info.description += " " + type;
    }
    info.n_layer            = n_layer_;
    info.n_embd             = n_embd_;
    info.attention_cells    = attention_cells_;
    info.n_vocab            = llama_vocab_n_tokens(vocab());
    info.n_ctx_train        = static_cast<int32_t>(file_.u32(info.architecture + ".context_length"));
    info.score_token        = score_token_;
    info.n_gpu_layers       = n_gpu_layers();
    info.device             = ggml_backend_dev_name(device());
    info.device_description = ggml_backend_dev_description(device());
}

}  // namespace jina_reranker
