#pragma once

// Attention by ggml's own operations, as a GPU computes it: pairs of about the same number of rows and tokens form a group,
// whose K and V are gathered from their pages on the device and attended to by one ggml_flash_attn_ext with a pair in each
// ne[3]. Rows and cells of a group are rounded up, so that few shapes occur, and on a GPU pairs, too; a mask hides what a row
// must not see. One object serves one graph. Engine thread only.

#include "batch.h"
#include "ggml.h"

#include <array>
#include <cstdint>
#include <vector>

namespace jina_reranker {

class GroupedAttention {
  public:
    static constexpr size_t kMostGroups    = 8;   // of a batch; a graph's size is fixed before its batch is known
    static constexpr size_t kNodesOfAGroup = 14;  // in a layer

    enum class Pairs { as_they_are, padded };

    // All rows of the batch.
    static GroupedAttention all(const Batch & batch, Pairs pairs);

    // Those whose hidden state becomes a score, in their order, and n_padding times the last of them again.
    static GroupedAttention scored(const Batch & batch, int32_t n_padding, Pairs pairs);

    // Before attend(): the tensors that fill() writes once the graph has memory.
    void make_inputs(ggml_context * context);

    // q: f32 [head_size, n_head, n_rows]; k and v: pages of a layer. Returns f32 [n_embd, n_rows].
    ggml_tensor * attend(ggml_context * context, ggml_tensor * q, ggml_tensor * k, ggml_tensor * v) const;

    void fill() const;

    // Of each group in their order: rows and cells of a pair, pairs.
    std::vector<std::array<int32_t, 3>> shape() const;

  private:
    // What rows of a pair attend to: the first sees n_visible cells, each further one sees one more.
    struct Rows {
        const BatchPair * pair      = nullptr;
        int32_t           first_row = 0;
        int32_t           n_rows    = 0;
        int32_t           n_visible = 0;
    };

    struct Group {
        int32_t           n_rows  = 0;  // of a pair, rounded up
        int32_t           n_cells = 0;  // likewise
        int32_t           n_pairs = 0;
        std::vector<Rows> pairs;            // up to n_pairs the last of them again
        ggml_tensor *     rows  = nullptr;  // i32 [n_rows * n_pairs], of q; padding is the pair's first row
        ggml_tensor *     cells = nullptr;  // i32 [n_cells * n_pairs], of k and v; padding is the pair's first cell
        ggml_tensor *     mask  = nullptr;  // f16 [n_cells, n_rows, 1, n_pairs]: 0 = seen, -inf = not
    };

    void add(const Rows & rows);
    void arrange(Pairs pairs);
    void merge();
    void fill(const Group & group) const;

    std::vector<Group> groups_;
    int32_t            n_rows_ = 0;
    ggml_tensor *      unpack_ = nullptr;  // i32 [n_rows_]: where a row's result lies in the groups' results
};

}  // namespace jina_reranker
