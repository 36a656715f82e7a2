#include "graph.h"

#include <array>
#include <utility>

namespace jina_reranker {

namespace {

constexpr size_t kNodesOfALayer = 40;
constexpr size_t kOtherNodes    = 64;

class Builder {
  public:
    Builder(ggml_context * context, const GraphParts & parts, const GraphRows & rows) :
        context_(context),
        parts_(parts),
        shape_(parts.weights.shape()),
        rows_(rows) {}

    Graph build() {
        make_inputs();
        graph_.nodes    = ggml_new_graph_custom(context_, max_nodes(shape_.n_layer), /*grads*/ false);
        ggml_tensor * x = embed();
        for (int32_t layer = 0; layer + 1 < shape_.n_layer; ++layer) {
            x = feed_forward(layer, attend(layer, x));
        }
        // Of the last layer only the score rows are wanted, and of the others the K and V, to which later rows attend.
        const int32_t last = shape_.n_layer - 1;
        if (ggml_tensor * attended = attend_last(last, x)) {
            ggml_tensor * hidden = norm(feed_forward(last, attended), parts_.weights.output_norm());
            graph_.logits        = parts_.head.build(context_, hidden);
            ggml_set_output(graph_.logits);
            ggml_build_forward_expand(graph_.nodes, graph_.logits);
        }
        return graph_;
    }

  private:
    struct KeyValue {
        ggml_tensor * k;  // a layer's pages, after the rows' own were written
        ggml_tensor * v;
    };

    // Nodes do not write to weights, but take them as if they did.
    static ggml_tensor * weight(const ggml_tensor * tensor) { return const_cast<ggml_tensor *>(tensor); }

    ggml_tensor * input(ggml_type type, int64_t n) {
        ggml_tensor * tensor = ggml_new_tensor_1d(context_, type, n);
        ggml_set_input(tensor);
        return tensor;
    }

    void make_inputs() {
        graph_.inputs.tokens    = input(GGML_TYPE_I32, rows_.n_rows);
        graph_.inputs.positions = input(GGML_TYPE_I32, int64_t{ 4 } * rows_.n_rows);
        graph_.inputs.cells     = input(GGML_TYPE_I64, rows_.n_rows);
        if (rows_.n_embedded > 0) {
            graph_.inputs.sources    = input(GGML_TYPE_I32, rows_.n_rows);
            graph_.inputs.embeddings = ggml_new_tensor_2d(context_, GGML_TYPE_F32, shape_.n_embd, rows_.n_embedded);
            ggml_set_input(graph_.inputs.embeddings);
        }
        if (rows_.n_score_rows > 0) {
            graph_.inputs.score_rows      = input(GGML_TYPE_I32, rows_.n_score_rows);
            graph_.inputs.score_positions = input(GGML_TYPE_I32, int64_t{ 4 } * rows_.n_score_rows);
        }
        const int32_t last = shape_.n_layer - 1;
        for (int32_t layer = 0; layer < last && !graph_.groups_all; ++layer) {
            graph_.groups_all = !is_paged(layer);
        }
        graph_.groups_scored = rows_.n_score_rows > 0 && !is_paged(last);
        if (graph_.groups_all) {
            rows_.all.grouped.make_inputs(context_);
        }
        if (graph_.groups_scored) {
            rows_.scored.grouped.make_inputs(context_);
        }
    }

    // Without ggml_set_rows, which writes into another node: ggml's scheduler may put the two on different devices.
    ggml_tensor * embed() {
        const auto &  inputs = graph_.inputs;
        ggml_tensor * x      = ggml_get_rows(context_, weight(parts_.weights.token_embd()), inputs.tokens);
        return inputs.embeddings == nullptr ?
                   x :
                   ggml_get_rows(context_, ggml_concat(context_, x, inputs.embeddings, 1), inputs.sources);
    }

    ggml_tensor * norm(ggml_tensor * x, const ggml_tensor * scale) {
        return ggml_mul(context_, ggml_rms_norm(context_, x, shape_.rms_epsilon), weight(scale));
    }

    ggml_tensor * rope(ggml_tensor * x, ggml_tensor * positions) {
        // Without scaling the remaining parameters have no effect.
        constexpr int   kOriginalContext = 32768;
        constexpr float kScale           = 1.0f;
        constexpr float kExtrapolation   = 0.0f;
        constexpr float kAttention       = 1.0f;
        constexpr float kBetaFast        = 32.0f;
        constexpr float kBetaSlow        = 1.0f;
        auto            sections         = shape_.rope_sections;
        return ggml_rope_multi(context_, x, positions, nullptr, shape_.head_size(), sections.data(),
                               GGML_ROPE_TYPE_MROPE, kOriginalContext, shape_.rope_base, kScale, kExtrapolation,
                               kAttention, kBetaFast, kBetaSlow);
    }

    // q, k and v of all rows, one after the other.
    ggml_tensor * qkv(const LayerWeights & weights, ggml_tensor * x) {
        ggml_tensor * product = parts_.products.multiply(context_, weights.attn_qkv, x);
        return weights.attn_qkv_bias == nullptr ? product : ggml_add(context_, product, weights.attn_qkv_bias);
    }

    // Some heads of qkv.
    ggml_tensor * heads(ggml_tensor * qkv, int32_t n_heads, int32_t first) {
        const auto head = static_cast<size_t>(shape_.head_size()) * sizeof(float);
        return ggml_view_3d(context_, qkv, shape_.head_size(), n_heads, qkv->ne[1], head, qkv->nb[1],
                            static_cast<size_t>(first) * head);
    }

    // Writes the K and V of all rows into their pages.
    KeyValue write(int32_t layer, ggml_tensor * qkv) {
        const auto &  inputs    = graph_.inputs;
        const int64_t n_embd_kv = shape_.n_embd_kv();
        ggml_tensor * k         = rope(heads(qkv, shape_.n_head_kv, shape_.n_head), inputs.positions);
        k                       = ggml_reshape_2d(context_, k, n_embd_kv, rows_.n_rows);
        ggml_tensor *  v        = ggml_view_2d(context_, qkv, n_embd_kv, rows_.n_rows, qkv->nb[1],
                                               static_cast<size_t>(shape_.n_embd + n_embd_kv) * sizeof(float));
        const KeyValue written  = { ggml_set_rows(context_, parts_.pages.k(layer), k, inputs.cells),
                                    ggml_set_rows(context_, parts_.pages.v(layer), v, inputs.cells) };
        ggml_build_forward_expand(graph_.nodes, written.k);
        ggml_build_forward_expand(graph_.nodes, written.v);
        return written;
    }

    // Whether our kernel computes a layer's attention, from the pages as they are.
    bool is_paged(int32_t layer) const { return parts_.pages.on_cpu(layer); }

    ggml_tensor * attention(int32_t layer, ggml_tensor * q, const KeyValue & pages, const AttentionOf & rows) {
        return is_paged(layer) ? parts_.attention.attend(context_, q, pages.k, pages.v, rows.paged) :
                                 rows.grouped.attend(context_, q, pages.k, pages.v);
    }

    ggml_tensor * attend(int32_t layer, ggml_tensor * x) {
        const LayerWeights & weights  = parts_.weights.layer(layer);
        ggml_tensor *        of_rows  = qkv(weights, norm(x, weights.attn_norm));
        const KeyValue       pages    = write(layer, of_rows);
        ggml_tensor *        q        = rope(heads(of_rows, shape_.n_head, 0), graph_.inputs.positions);
        ggml_tensor *        attended = attention(layer, q, pages, rows_.all);
        return ggml_add(context_, x, parts_.products.multiply(context_, weights.attn_output, attended));
    }

    // nullptr without rows to score.
    ggml_tensor * attend_last(int32_t layer, ggml_tensor * x) {
        const LayerWeights & weights = parts_.weights.layer(layer);
        const auto &         inputs  = graph_.inputs;
        ggml_tensor *        of_rows = qkv(weights, norm(x, weights.attn_norm));
        const KeyValue       pages   = write(layer, of_rows);
        if (rows_.n_score_rows == 0) {
            return nullptr;
        }
        ggml_tensor * scored   = ggml_get_rows(context_, of_rows, inputs.score_rows);
        ggml_tensor * q        = rope(heads(scored, shape_.n_head, 0), inputs.score_positions);
        ggml_tensor * attended = attention(layer, q, pages, rows_.scored);
        ggml_tensor * residual = ggml_get_rows(context_, x, inputs.score_rows);
        return ggml_add(context_, residual, parts_.products.multiply(context_, weights.attn_output, attended));
    }

    ggml_tensor * feed_forward(int32_t layer, ggml_tensor * x) {
        const LayerWeights & weights = parts_.weights.layer(layer);
        ggml_tensor *        h       = norm(x, weights.ffn_norm);
        ggml_tensor *        gate_up = parts_.products.multiply(context_, weights.ffn_gate_up, h);
        ggml_tensor *        gated   = ggml_swiglu(context_, gate_up);
        return ggml_add(context_, x, parts_.products.multiply(context_, weights.ffn_down, gated));
    }

    ggml_context *     context_;
    const GraphParts & parts_;
    const ModelShape & shape_;
    const GraphRows &  rows_;
    Graph              graph_;
};

}  // namespace

size_t max_nodes(int32_t n_layer) {
    constexpr size_t of_attention = GroupedAttention::kMostGroups * GroupedAttention::kNodesOfAGroup;
    return (kNodesOfALayer + of_attention) * static_cast<size_t>(n_layer) + kOtherNodes;
}

Graph build_graph(ggml_context * context, const GraphParts & parts, const GraphRows & rows) {
    parts.products.begin();
    parts.attention.begin();
    return Builder(context, parts, rows).build();
}

}  // namespace jina_reranker
