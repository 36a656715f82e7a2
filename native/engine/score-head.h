#pragma once

// Hidden state -> logit -> score: two matrix products in ggml on the model's device. Owns the head's weights there; used
// from the engine thread alone.

#include "ggml-cpp.h"
#include "types.h"

#include <cstdint>
#include <vector>

namespace jina_reranker {

class ScoreHead {
  public:
    // Throws head_invalid when the weights do not fit n_embd or are not finite, backend_unavailable when the device cannot
    // compute the head, out_of_memory when the device has no room for it with as many rows as a decode may have.
    // thread_pool: on a CPU, the threads to compute with, which must outlive this object; nullptr = threads for every graph.
    ScoreHead(const HeadWeights & weights,
              int32_t             n_embd,
              ggml_backend_dev_t  device,
              int32_t             n_threads,
              ggml_threadpool_t   thread_pool = nullptr);

    // hidden: row-major [n_rows][n_embd], f32. Returns [n_rows] logits.
    std::vector<float> logits(const std::vector<float> & hidden, int32_t n_rows);

  private:
    struct Graph {
        ggml_cgraph * nodes;
        ggml_tensor * input;   // [n_embd, n_rows]
        ggml_tensor * output;  // [n_rows]
    };

    Graph graph(ggml_context * context, int32_t n_rows) const;
    void  require_operations(ggml_backend_dev_t device) const;

    int32_t                 n_embd_;
    float                   bias_;  // b2 − logit_bias
    ggml_backend_ptr        backend_;
    ggml_context_ptr        weights_context_;
    ggml_backend_buffer_ptr weights_buffer_;
    ggml_gallocr_ptr        allocator_;
    ggml_tensor *           w1_ = nullptr;  // [n_embd inputs, n_embd units]
    ggml_tensor *           b1_ = nullptr;  // [n_embd]
    ggml_tensor *           w2_ = nullptr;  // [n_embd, 1]
};

// The sigmoid, computed in f64. Throws invalid_score when the logit is NaN or infinite.
float score_of_logit(float logit);

}  // namespace jina_reranker
