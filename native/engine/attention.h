#pragma once

// Attention on the CPU, in place of ggml's. ggml's runs over every KV cell in use and masks what belongs to others, and
// its sums depend on where cells lie; this one runs over the cells that a token sees and counts from the first of them,
// so that a token's result is the same whatever else is in the batch.
//
//  A1. A sequence's cells lie in the order of its tokens.
//  A2. What a token does not see adds nothing to its sums, not even a rounding: tokens may be taken together freely.

#include "attention-kernel.h"
#include "custom-op.h"
#include "ggml.h"

#include <cstdint>
#include <vector>

namespace jina_reranker {

class Attention {
  public:
    Attention(int32_t n_threads, Turns & turns, AttentionKernel kernel);

    Attention(const Attention &)             = delete;
    Attention & operator=(const Attention &) = delete;
    Attention(Attention &&)                  = delete;
    Attention & operator=(Attention &&)      = delete;
    ~Attention()                             = default;

    // Turns a node of GGML_OP_FLASH_ATTN_EXT whose tensors lie in host memory into one that this object computes; other
    // nodes are left as they are. false when it is such a node, and of a shape that is not known here: nothing is
    // changed then. Throws std::bad_alloc.
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

    AttentionKernel      kernel_;
    Turns &              turns_;
    CustomOp             op_;       // its value is the scale
    std::vector<Scratch> scratch_;  // [n_threads]
};

}  // namespace jina_reranker
