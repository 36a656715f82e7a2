#pragma once

// The vision tower as a graph of ggml operations, a function a part, in the order of its paper (Qwen2-VL): patches, layers with
// 2D rotary embedding and full attention, and the merger of four patches into a token. Building it computes nothing. Engine
// thread only.

#include "full-attention.h"
#include "ggml.h"
#include "products.h"
#include "vision-weights.h"

#include <cstddef>
#include <cstdint>

namespace jina_reranker {

// A part of the tower: some layers, the patches' product before the first and the merger behind the last.
struct VisionSlice {
    int32_t first_layer = 0;
    int32_t last_layer  = 0;  // one more
};

struct VisionGraph {
    ggml_cgraph * nodes     = nullptr;
    ggml_tensor * patches   = nullptr;  // input, f32 [kPatchNumbers, n_patches]; nullptr behind the first layer
    ggml_tensor * positions = nullptr;  // input, i32 [4 * n_patches]: all rows, all columns, and two that nothing reads
    ggml_tensor * embeddings = nullptr;  // f32 [n_out, n_tokens]; nullptr before the last layer
};

// What a graph is built of; all of it outlives the graph.
struct VisionParts {
    const VisionWeights & weights;
    Products &            products;
    FullAttention &       attention;
    ggml_tensor *         hidden;  // f32 [n_embd, n_patches or more], what a slice leaves to the next
};

// Nodes that the graph of a tower of so many layers has at most, for the context that it is built in.
size_t max_vision_nodes(int32_t n_layer);

VisionGraph
build_vision_graph(ggml_context * context, const VisionParts & parts, const VisionSlice & slice, int32_t n_patches);

}  // namespace jina_reranker
