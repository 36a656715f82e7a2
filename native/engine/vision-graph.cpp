#include "vision-graph.h"

#include "image-patches.h"

#include <array>

namespace jina_reranker {

namespace {

constexpr size_t kNodesOfALayer = 48;
constexpr size_t kOtherNodes    = 64;

class Builder {
  public:
    Builder(ggml_context * context, const VisionParts & parts, int32_t n_patches) :
        context_(context),
        parts_(parts),
        shape_(parts.weights.shape()),
        n_patches_(n_patches) {}

    VisionGraph build(const VisionSlice & slice) {
        graph_.nodes     = ggml_new_graph_custom(context_, max_vision_nodes(shape_.n_layer), /*grads*/ false);
        graph_.positions = input(ggml_new_tensor_1d(context_, GGML_TYPE_I32, int64_t{ 4 } * n_patches_));
        ggml_tensor * hidden =
            ggml_view_2d(context_, parts_.hidden, shape_.n_embd, n_patches_, parts_.hidden->nb[1], 0);
        ggml_tensor * x = slice.first_layer == 0 ? embed_patches() : hidden;
        for (int32_t layer = slice.first_layer; layer < slice.last_layer; ++layer) {
            x = feed_forward(parts_.weights.layer(layer), attend(parts_.weights.layer(layer), x));
        }
        if (slice.last_layer == shape_.n_layer) {
            graph_.embeddings = merge(x);
            ggml_set_output(graph_.embeddings);
        }
        ggml_build_forward_expand(graph_.nodes,
                                  graph_.embeddings == nullptr ? ggml_cpy(context_, x, hidden) : graph_.embeddings);
        return graph_;
    }

  private:
    static ggml_tensor * input(ggml_tensor * tensor) {
        ggml_set_input(tensor);
        return tensor;
    }

    ggml_tensor * embed_patches() {
        graph_.patches = input(ggml_new_tensor_2d(context_, GGML_TYPE_F32, kPatchNumbers, n_patches_));
        return ggml_mul_mat(context_, parts_.weights.patches(), graph_.patches);
    }

    ggml_tensor * norm(ggml_tensor * x, const VisionNorm & weights) {
        ggml_tensor * scaled = ggml_mul(context_, ggml_norm(context_, x, shape_.epsilon), weights.weight);
        return ggml_add(context_, scaled, weights.bias);
    }

    ggml_tensor * linear(const VisionLinear & weights, ggml_tensor * x) {
        return ggml_add(context_, parts_.products.multiply(context_, weights.weight, x), weights.bias);
    }

    // Half of a head's pairs turn by the patch's row, the other half by its column.
    ggml_tensor * rope(ggml_tensor * heads) {
        constexpr int      kOriginalContext = 32768;  // this and what follows the base have no effect without scaling
        constexpr float    kBase            = 10000.0f;
        constexpr float    kScale           = 1.0f;
        constexpr float    kExtrapolation   = 0.0f;
        constexpr float    kAttention       = 1.0f;
        constexpr float    kBetaFast        = 32.0f;
        constexpr float    kBetaSlow        = 1.0f;
        const int32_t      quarter          = shape_.head_size() / 4;
        std::array<int, 4> sections         = { quarter, quarter, quarter, quarter };
        return ggml_rope_multi(context_, heads, graph_.positions, nullptr, shape_.head_size() / 2, sections.data(),
                               GGML_ROPE_TYPE_VISION, kOriginalContext, kBase, kScale, kExtrapolation, kAttention,
                               kBetaFast, kBetaSlow);
    }

    // Some heads of q, k and v.
    ggml_tensor * heads(ggml_tensor * qkv, int32_t n_heads, int32_t first) {
        const auto head = static_cast<size_t>(shape_.head_size()) * sizeof(float);
        return ggml_view_3d(context_, qkv, shape_.head_size(), n_heads, n_patches_, head, qkv->nb[1],
                            static_cast<size_t>(first) * head);
    }

    ggml_tensor * attend(const VisionLayer & layer, ggml_tensor * x) {
        const int32_t n_head   = shape_.n_head;
        ggml_tensor * qkv      = linear(layer.attn_qkv, norm(x, layer.attn_norm));
        ggml_tensor * qk       = rope(heads(qkv, 2 * n_head, 0));
        ggml_tensor * attended = parts_.attention.attend(context_, qk, heads(qkv, n_head, 2 * n_head));
        return ggml_add(context_, x, linear(layer.attn_output, attended));
    }

    // With x * sigmoid(1.702 x) = silu(1.702 x) / 1.702: ggml_gelu_quick reads a table of F16 on a CPU. The division comes after
    // the product, where there is less to divide.
    ggml_tensor * feed_forward(const VisionLayer & layer, ggml_tensor * x) {
        constexpr float kQuickGelu = 1.702f;
        ggml_tensor *   up         = linear(layer.ffn_up, norm(x, layer.ffn_norm));
        ggml_tensor *   activated  = ggml_silu(context_, ggml_scale(context_, up, kQuickGelu));
        ggml_tensor *   down       = parts_.products.multiply(context_, layer.ffn_down.weight, activated);
        down                       = ggml_scale(context_, down, 1.0f / kQuickGelu);
        return ggml_add(context_, x, ggml_add(context_, down, layer.ffn_down.bias));
    }

    ggml_tensor * merge(ggml_tensor * x) {
        ggml_tensor * normed = norm(x, parts_.weights.output_norm());
        ggml_tensor * merged = ggml_reshape_2d(context_, normed, shape_.n_merged(), n_patches_ / kTokenPatches);
        ggml_tensor * up     = ggml_gelu_erf(context_, linear(parts_.weights.merge_up(), merged));
        return linear(parts_.weights.merge_down(), up);
    }

    ggml_context *      context_;
    const VisionParts & parts_;
    const VisionShape & shape_;
    int32_t             n_patches_;
    VisionGraph         graph_;
};

}  // namespace

size_t max_vision_nodes(int32_t n_layer) {
    return kNodesOfALayer * static_cast<size_t>(n_layer) + kOtherNodes;
}

VisionGraph
build_vision_graph(ggml_context * context, const VisionParts & parts, const VisionSlice & slice, int32_t n_patches) {
    parts.products.begin();
    parts.attention.begin();
    return Builder(context, parts, n_patches).build(slice);
}

}  // namespace jina_reranker
