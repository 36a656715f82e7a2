#pragma once

// Hidden state -> logit -> score: two matrix products at the end of the model's graph. Owns the head's weights on the device
// that computes them; used from the engine thread alone.

#include "device-tensors.h"
#include "types.h"

#include <cstdint>
#include <vector>

namespace jina_reranker {

class ScoreHead {
  public:
    // Throws head_invalid when the weights do not fit n_embd or are not finite, backend_unavailable when the device cannot
    // compute the head, out_of_memory when it has no room for its weights.
    // Where memory is counted, the weights are not looked at.
    ScoreHead(const HeadWeights & weights, int32_t n_embd, ggml_backend_dev_t device, Memory memory = Memory::taken);

    // The head as the end of a graph. hidden: f32 [n_embd, n_rows]; returns f32 [1, n_rows], the logits without bias().
    ggml_tensor * build(ggml_context * context, ggml_tensor * hidden) const;

    // What is to be added to a logit: b2 − logit_bias.
    float bias() const { return bias_; }

    const DeviceTensors & tensors() const { return tensors_; }

  private:
    void require_operations() const;
    void check(const HeadWeights & weights) const;
    void set_weights(const HeadWeights & weights);

    int32_t       n_embd_;
    float         bias_;
    DeviceTensors tensors_;
    ggml_tensor * w1_ = nullptr;  // [n_embd inputs, n_embd units]
    ggml_tensor * b1_ = nullptr;  // [n_embd]
    ggml_tensor * w2_ = nullptr;  // [n_embd, 1]
};

// The sigmoid, computed in f64. Throws invalid_score when the logit is NaN or infinite.
float score_of_logit(float logit);

}  // namespace jina_reranker
