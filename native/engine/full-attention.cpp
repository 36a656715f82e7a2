#include "full-attention.h"

#include "tsan-fence.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace jina_reranker {

namespace {

// The kernel takes query vectors as tokens times heads that share a head of K and V. Here all are rows of one head: a task is
// kTokens "tokens" of as many "heads" as there are fourths of its rows.
constexpr int64_t kTokens = 4;
constexpr int64_t kRows   = 3 * kAttentionLanes;  // of a task, at most: as many query vectors as a task of text has

ggml_tensor * view_of_heads(ggml_context * context, ggml_tensor * tensor, int64_t n_head, int64_t first) {
    return ggml_view_3d(context, tensor, tensor->ne[0], n_head, tensor->ne[2], tensor->nb[1], tensor->nb[2],
                        static_cast<size_t>(first) * tensor->nb[1]);
}

float scale_of(int64_t head_size) {
    return 1.0f / std::sqrt(static_cast<float>(head_size));
}

}  // namespace

FullAttention::FullAttention(std::optional<AttentionKernel> kernel, int32_t n_threads) :
    kernel_(kernel),
    scratch_(static_cast<size_t>(n_threads)) {}

void FullAttention::begin() {
    const TsanFence fence;
    nodes_.clear();
}

ggml_tensor * FullAttention::attend(ggml_context * context, ggml_tensor * qk, ggml_tensor * v) {
    const int64_t head_size = v->ne[0];
    const int64_t n_head    = v->ne[1];
    const int64_t n_rows    = v->ne[2];
    if (!kernel_) {
        const auto half = [&](ggml_tensor * heads) {
            return ggml_permute(context, ggml_cast(context, heads, GGML_TYPE_F16), 0, 2, 1, 3);
        };
        ggml_tensor * q        = ggml_permute(context, view_of_heads(context, qk, n_head, 0), 0, 2, 1, 3);
        ggml_tensor * attended = ggml_flash_attn_ext(context, q, half(view_of_heads(context, qk, n_head, n_head)),
                                                     half(v), nullptr, scale_of(head_size), 0.0f, 0.0f);
        ggml_prec_set_acc(attended, GGML_PREC_F32);
        return ggml_reshape_2d(context, attended, head_size * n_head, n_rows);
    }
    const TsanFence fence;
    const auto      n_floats = static_cast<size_t>(attention_scratch(kRows / kAttentionTokens, head_size));
    for (auto & scratch : scratch_) {
        scratch.resize(std::max(scratch.size(), n_floats));
    }
    // One head's rows behind the other: all its tasks read them, a page of memory at a time instead of one for each row.
    const auto by_head = [&](ggml_tensor * heads) {
        return ggml_cont(context, ggml_permute(context, heads, 0, 2, 1, 3));
    };
    Node & node                          = nodes_.emplace_back();
    node.attention                       = this;
    std::array<ggml_tensor *, 3> sources = { qk, by_head(view_of_heads(context, qk, n_head, n_head)), by_head(v) };
    return ggml_custom_4d(context, GGML_TYPE_F32, head_size * n_head, n_rows, 1, 1, sources.data(), 3, compute,
                          GGML_N_TASKS_MAX, &node);
}

void FullAttention::compute(ggml_tensor * dst, int thread, int /*n_threads*/, void * user_data) {
    const TsanFence     fence;
    auto &              node      = *static_cast<Node *>(user_data);
    FullAttention &     attention = *node.attention;
    const ggml_tensor & q         = *dst->src[0];  // and k behind it
    const ggml_tensor & k         = *dst->src[1];  // [head_size, n_rows, n_head]
    const ggml_tensor & v         = *dst->src[2];
    const int64_t       n_rows    = v.ne[1];
    const int64_t       n_head    = v.ne[2];
    const int64_t       n_blocks  = (n_rows + kRows - 1) / kRows;
    const auto          at        = [](const ggml_tensor & tensor, size_t offset) {
        return static_cast<char *>(tensor.data) + offset;
    };
    std::array<int32_t, kTokens> n_visible = {};
    n_visible.fill(static_cast<int32_t>(n_rows));
    const auto take = [&] {
        return node.next.fetch_add(1, std::memory_order_relaxed);
    };
    // Head by head, so that its K and V stay in the processor's cache.
    for (int64_t taken = take(); taken < n_head * n_blocks; taken = take()) {
        const auto    head    = static_cast<size_t>(taken / n_blocks);
        const int64_t first   = taken % n_blocks * kRows;
        const auto    row     = static_cast<size_t>(first);
        AttentionTask task    = {};
        task.n_tokens         = kTokens;
        task.n_heads          = std::min(kRows, n_rows - first) / kTokens;
        task.q                = at(q, row * q.nb[2] + head * q.nb[1]);
        task.q_head_stride    = q.nb[2];
        task.q_token_stride   = static_cast<size_t>(task.n_heads) * q.nb[2];
        task.k                = at(k, head * k.nb[2]);
        task.k_stride         = k.nb[1];
        task.k_type           = GGML_TYPE_F32;
        task.v                = at(v, head * v.nb[2]);
        task.v_stride         = v.nb[1];
        task.v_type           = GGML_TYPE_F32;
        task.out_head_stride  = dst->nb[1];
        task.out_token_stride = static_cast<size_t>(task.n_heads) * dst->nb[1];
        task.head_size        = v.ne[0];
        task.out              = at(*dst, row * dst->nb[1] + head * static_cast<size_t>(task.head_size) * sizeof(float));
        task.cells            = nullptr;
        task.n_visible        = n_visible.data();
        task.scale            = scale_of(task.head_size);
        (*attention.kernel_)(task, attention.scratch_[static_cast<size_t>(thread)].data());
    }
}

}  // namespace jina_reranker
