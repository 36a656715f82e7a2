#pragma once

// A checked model file: its vocabulary, as llama.cpp reads it, and what the rest asks for. Its weights are read by Forward.
// Immutable after the constructor, used from any thread.

#include "backend.h"
#include "gguf-file.h"
#include "llama-cpp.h"
#include "placement.h"
#include "prompt.h"
#include "types.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace jina_reranker {

class Model {
  public:
    // Throws model_not_found, model_invalid, backend_unavailable or out_of_memory; invalid_argument when there is no such
    // device.
    explicit Model(const EngineOptions & options);

    const GgufFile & file() const { return file_; }

    const llama_vocab * vocab() const { return llama_model_get_vocab(model_.get()); }

    llama_token score_token() const { return score_token_; }

    const Placement & placement() const { return placement_; }

    // Where the layers run: a GPU when one is used, the CPU otherwise.
    ggml_backend_dev_t device() const { return placement_.device; }

    bool on_gpu() const { return placement_.on_gpu(); }

    // Layers on the GPU, the output counting as one.
    int32_t n_gpu_layers() const { return placement_.n_gpu_layers; }

    // KV cells that a token attends to at the cost of all its other multiplications (TokenWork).
    double attention_cells() const { return attention_cells_; }

    // The tokens around an image in a prompt. Throws model_invalid where the vocabulary lacks one.
    ImageMarks image_marks() const;

    // Of the products of all layers; each is one multiplication for a token.
    double n_layer_params() const { return n_layer_params_; }

    // Fills what the model knows.
    void describe(EngineInfo & info) const;

  private:
    void                       load_vocabulary();
    void                       find_score_token();
    // The one token that this special text is; none where it is several.
    std::optional<llama_token> special_token(std::string_view text) const;

    GgufFile        file_;
    llama_model_ptr model_;
    Placement       placement_       = {};
    int32_t         n_layer_         = 0;
    int32_t         n_embd_          = 0;
    llama_token     score_token_     = 0;
    double          attention_cells_ = 0;
    double          n_layer_params_  = 0;
};

}  // namespace jina_reranker
