#pragma once

// Attention on the CPU, in place of ggml's. ggml's runs over every KV cell in use and masks what belongs to others, and
// its sums depend on where cells lie; this one runs over the cells that a token sees and counts from the first of them,
// so that a token's result is the same whatever else is in the batch.
//
//  A1. replace() is called before a graph runs, on the engine thread; compute() while it runs, on ggml's threads.
//      ggml makes them wait for each other; finished_ orders their memory where ThreadSanitizer can see it, too.
//  A2. A sequence's cells lie in the order of its tokens.
//  A3. What a token does not see adds nothing to its sums, not even a rounding: tokens may be taken together freely.

#include "attention-kernel.h"
#include "ggml.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

namespace jina_reranker {

class Attention {
  public:
    // Those that this processor and this build can run, the fastest last; none means that there is no Attention here.
    static std::vector<AttentionKernel> kernels();

    // kernel: null = the fastest.
    explicit Attention(int32_t n_threads, AttentionKernel kernel = nullptr);

    Attention(const Attention &)             = delete;
    Attention & operator=(const Attention &) = delete;
    Attention(Attention &&)                  = delete;
    Attention & operator=(Attention &&)      = delete;
    ~Attention();

    // Turns a node of GGML_OP_FLASH_ATTN_EXT whose tensors lie in host memory into one that this object computes; other
    // nodes are left as they are. false when it is such a node, and of a shape that is not known here: nothing is
    // changed then. The node must not be computed after this object's end.
    bool replace(ggml_tensor * node);

  private:
    // What one of ggml's threads works in.
    struct Scratch {
        std::vector<float>   numbers;
        std::vector<int32_t> cells;      // [kAttentionTokens][n_kv]
        std::vector<int32_t> n_visible;  // [kAttentionTokens]
    };

    static void compute(ggml_tensor * node, int thread, int n_threads, void * user_data);
    void compute_tokens(const ggml_tensor & node, int64_t head, int64_t begin, int64_t end, Scratch & scratch) const;

    using OpParams = std::array<int32_t, GGML_MAX_OP_PARAMS / sizeof(int32_t)>;

    AttentionKernel      kernel_;
    OpParams             op_params_ = {};  // of an operation that calls compute(); the last one is the scale
    std::vector<Scratch> scratch_;         // [n_threads]
    std::atomic<size_t>  finished_ = 0;    // calls of replace() and compute() (A1)
};

}  // namespace jina_reranker
