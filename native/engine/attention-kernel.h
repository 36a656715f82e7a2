#pragma once

// The arithmetic of attention for a few tokens that see the same KV cells. attention-kernel.cpp is compiled once for each
// instruction set, so it and this header use nothing of the C++ library that the linker could share between those objects.
// Runs on ggml's threads.

#include "ggml.h"

#include <cstddef>
#include <cstdint>

namespace jina_reranker {

constexpr int64_t kAttentionLanes  = 16;  // query vectors in one vector of floats
constexpr int64_t kAttentionTokens = 8;   // tokens in a task, at most
constexpr int64_t kAttentionCells  = 32;  // cells in one step of the online softmax
constexpr int64_t kAttentionHead   = 8;   // numbers of a head come in multiples of this

// A head of K and V, and the query heads that share it. Strides are in bytes.
struct AttentionTask {
    const char *    q;  // the first token's first head, f32
    size_t          q_token_stride;
    size_t          q_head_stride;
    const char *    k;  // cell 0
    size_t          k_stride;
    ggml_type       k_type;
    const char *    v;
    size_t          v_stride;
    ggml_type       v_type;
    char *          out;  // as q, f32
    size_t          out_token_stride;
    size_t          out_head_stride;
    const int32_t * cells;      // those the last token sees, in order; nullptr = cell 0 and those behind it
    const int32_t * n_visible;  // [n_tokens], ascending: how many of them each token sees
    int64_t         n_tokens;
    int64_t         n_heads;
    int64_t         head_size;  // of q, k and v, a multiple of kAttentionHead
    float           scale;
};

// Query vectors of n_tokens tokens, rounded up to whole vectors of lanes.
constexpr int64_t attention_rows(int64_t n_tokens, int64_t n_heads) {
    return (n_tokens * n_heads + kAttentionLanes - 1) / kAttentionLanes * kAttentionLanes;
}

// Floats of scratch memory that a task needs.
constexpr int64_t attention_scratch(int64_t n_heads, int64_t head_size) {
    const int64_t n_rows = attention_rows(kAttentionTokens, n_heads);
    return n_rows * (2 * head_size + kAttentionCells + 4) + 2 * kAttentionCells * head_size;
}

using AttentionKernel = void (*)(const AttentionTask & task, float * scratch);

// Those of an instruction set are defined on x86-64 only, and not with MSVC.
void attention_plain(const AttentionTask & task, float * scratch);
void attention_avx2(const AttentionTask & task, float * scratch);
void attention_avx512(const AttentionTask & task, float * scratch);

}  // namespace jina_reranker
