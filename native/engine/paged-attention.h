#pragma once

// Attention on the CPU as a node of the graph: each row attends to the tokens of its own pair, up to itself, whose K and V it
// reads from the pair's pages. A row's result is the same whatever else is in the batch. Built on the engine thread; the node
// runs on ggml's threads.

#include "attention-kernel.h"
#include "batch.h"
#include "ggml.h"

#include <atomic>
#include <cstdint>
#include <deque>
#include <vector>

namespace jina_reranker {

// Which rows attend to what: those of a batch, cut into blocks that a thread takes.
class AttentionRows {
  public:
    // All rows of the batch.
    static AttentionRows all(const Batch & batch);

    // Those whose hidden state becomes a score, in their order, and n_padding times the last of them again.
    static AttentionRows scored(const Batch & batch, int32_t n_padding);

    struct Block {
        int32_t first_row = 0;
        int32_t n_rows    = 0;  // at most kAttentionTokens
        int32_t n_visible = 0;  // cells that the first row sees; each further one sees one more
        size_t  pair      = 0;
    };

    const std::vector<Block> & blocks() const { return blocks_; }

    const int32_t * cells(const Block & block) const { return cells_[block.pair].data(); }

    // From here on rows belong to no pair.
    int32_t n_rows() const { return n_rows_; }

  private:
    void add_cells(const BatchPair & pair);
    void sort();

    std::vector<Block>                blocks_;  // those with most to do first
    std::vector<std::vector<int32_t>> cells_;   // [pair]: where the K and V of its tokens lie
    int32_t                           n_rows_ = 0;
};

class PagedAttention {
  public:
    PagedAttention(AttentionKernel kernel, int32_t n_threads);

    // Before another graph is built: the nodes of the last one must not run any more.
    void begin();

    // q: f32 [head_size, n_head, n_rows]; k and v: pages of a layer, [n_embd_kv, n_cells] of any type with a conversion to
    // f32. rows must live as long as the graph. Returns f32 [n_embd, n_rows].
    ggml_tensor *
    attend(ggml_context * context, ggml_tensor * q, ggml_tensor * k, ggml_tensor * v, const AttentionRows & rows);

  private:
    struct Node {
        PagedAttention *      attention = nullptr;
        const AttentionRows * rows      = nullptr;
        std::atomic<int64_t>  next      = 0;  // the next task: a block and a KV head
    };

    static void compute(ggml_tensor * dst, int thread, int n_threads, void * user_data);

    AttentionKernel                 kernel_;
    std::deque<Node>                nodes_;
    std::vector<std::vector<float>> scratch_;  // [n_threads]
};

}  // namespace jina_reranker
