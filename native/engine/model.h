#pragma once

// Owns a llama_model, checked before and after loading. Reads once what the rest asks for; immutable afterwards, used
// from any thread.

#include "backend.h"
#include "llama-cpp.h"
#include "types.h"

#include <functional>
#include <string>

namespace jina_reranker {

// Gets a fraction from 0 to 1; returning false stops the loading.
using LoadProgress = std::function<bool(float fraction)>;

// Where a model is computed.
struct Placement {
    Backend     backend;
    std::string device;        // ggml's name of one of the backend's devices, or the CPU's; empty = the first
    int32_t     n_gpu_layers;  // 0 = on the CPU
};

class Model {
  public:
    // Throws model_not_found, model_invalid, backend_unavailable or out_of_memory; invalid_argument when there is no such
    // device; cancelled when progress said so.
    Model(const std::string & path, const Placement & placement, const LoadProgress & progress);

    llama_model * get() const { return model_.get(); }

    const llama_vocab * vocab() const { return llama_model_get_vocab(model_.get()); }

    int32_t n_embd() const { return llama_model_n_embd(model_.get()); }

    llama_token score_token() const { return score_token_; }

    // Where the layers run: a GPU when one is used, the CPU otherwise.
    ggml_backend_dev_t device() const { return device_; }

    bool on_gpu() const { return ggml_backend_dev_type(device_) != GGML_BACKEND_DEVICE_TYPE_CPU; }

    // The layers' weights lie in memory as in the file, and MatMul can multiply all of them; otherwise ggml does, and may
    // have laid them out anew for that.
    bool own_matmul() const { return own_matmul_; }

    // KV cells that a token attends to at the cost of all its other multiplications (TokenWork).
    double attention_cells() const { return attention_cells_; }

    // Fills what the model knows.
    void describe(EngineInfo & info) const;

  private:
    llama_model_ptr    model_;
    ggml_backend_dev_t device_          = nullptr;
    int32_t            n_gpu_layers_    = 0;
    llama_token        score_token_     = 0;
    bool               own_matmul_      = false;
    double             attention_cells_ = 0;
};

}  // namespace jina_reranker
