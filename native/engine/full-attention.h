#pragma once

// Attention of every row to every other, as the patches of an image attend: on a CPU by our kernel, which keeps no scores
// beyond those of a few rows and cells; elsewhere by ggml_flash_attn_ext. The graph is built on the engine thread; its nodes run
// on ggml's.

#include "attention-kernel.h"
#include "ggml.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

namespace jina_reranker {

class FullAttention {
  public:
    // kernel: none = ggml's attention.
    FullAttention(std::optional<AttentionKernel> kernel, int32_t n_threads);

    // Before another graph is built: the nodes of the last one must not run any more.
    void begin();

    // qk: f32 [head_size, 2 * n_head, n_rows], the heads of q and those of k; v: f32 [head_size, n_head, n_rows]. n_rows is a
    // multiple of 4. Returns f32 [n_embd, n_rows].
    ggml_tensor * attend(ggml_context * context, ggml_tensor * qk, ggml_tensor * v);

  private:
    struct Node {
        FullAttention *      attention = nullptr;
        std::atomic<int64_t> next      = 0;  // the next task: a head and some rows
    };

    static void compute(ggml_tensor * dst, int thread, int n_threads, void * user_data);

    std::optional<AttentionKernel>  kernel_;
    std::deque<Node>                nodes_;
    std::vector<std::vector<float>> scratch_;  // [n_threads]
};

}  // namespace jina_reranker
