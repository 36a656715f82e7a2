#pragma once

// The model as a graph of ggml operations, a function a part, in the order of the paper (Qwen2-VL, a decoder with grouped
// query attention, multimodal rotary embedding and SwiGLU; the score head of jina-reranker-m0 on top). Building it computes
// nothing. Engine thread only.

#include "batch.h"
#include "ggml.h"
#include "grouped-attention.h"
#include "kv-pages.h"
#include "paged-attention.h"
#include "products.h"
#include "score-head.h"
#include "weights.h"

#include <cstdint>

namespace jina_reranker {

// Filled before the graph runs.
struct GraphInputs {
    ggml_tensor * tokens     = nullptr;  // i32 [n_rows]
    ggml_tensor * positions  = nullptr;  // i32 [4 * n_rows]: all t, all h, all w, zeros
    ggml_tensor * cells      = nullptr;  // i64 [n_rows]
    ggml_tensor * embeddings = nullptr;  // f32 [n_embd, n_embedded]; none where all rows are tokens
    ggml_tensor * sources =
        nullptr;  // i32 [n_rows]: a row's place among the tokens' rows and the embeddings behind them
    ggml_tensor * score_rows      = nullptr;  // i32 [n_score_rows]; none without rows to score
    ggml_tensor * score_positions = nullptr;  // i32 [4 * n_score_rows]
};

struct Graph {
    ggml_cgraph * nodes = nullptr;
    GraphInputs   inputs;
    ggml_tensor * logits        = nullptr;  // f32 [n_score_rows]; nullptr without rows to score
    // Whether the inputs of grouped attention are part of it.
    bool          groups_all    = false;
    bool          groups_scored = false;
};

// What a graph is built of; all of it outlives the graph.
struct GraphParts {
    const Weights &   weights;
    const KvPages &   pages;
    const ScoreHead & head;
    Products &        products;
    PagedAttention &  attention;  // of layers on the CPU
};

// Which rows attend to what, for layers that attend in either way.
struct AttentionOf {
    const AttentionRows & paged;
    GroupedAttention &    grouped;
};

// How many rows go in, and which attend to what.
struct GraphRows {
    int32_t     n_rows;
    int32_t     n_embedded;
    int32_t     n_score_rows;
    AttentionOf all;
    AttentionOf scored;
};

// Nodes that the graph of a model of so many layers has at most, for the context that it is built in.
size_t max_nodes(int32_t n_layer);

Graph build_graph(ggml_context * context, const GraphParts & parts, const GraphRows & rows);

}  // namespace jina_reranker
