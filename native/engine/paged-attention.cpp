#include "paged-attention.h"

#include "tsan-fence.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace jina_reranker {

void AttentionRows::add_cells(const BatchPair & pair) {
    std::vector<int32_t> & cells = cells_.emplace_back();
    cells.reserve(static_cast<size_t>(pair.n_tokens()));
    for (int32_t token = 0; token < pair.n_tokens(); ++token) {
        cells.push_back(pair.cell(token));
    }
}

void AttentionRows::sort() {
    std::stable_sort(blocks_.begin(), blocks_.end(), [](const Block & left, const Block & right) {
        return left.n_visible * left.n_rows > right.n_visible * right.n_rows;
    });
}

AttentionRows AttentionRows::all(const Batch & batch) {
    AttentionRows rows;
    for (const BatchPair & pair : batch.pairs()) {
        rows.add_cells(pair);
        for (int32_t row = 0; row < pair.n_rows; row += kAttentionTokens) {
            const int32_t n_rows = std::min(static_cast<int32_t>(kAttentionTokens), pair.n_rows - row);
            rows.blocks_.push_back({ pair.first_row + row, n_rows, pair.n_past + row + 1, rows.cells_.size() - 1 });
        }
        rows.n_rows_ = pair.first_row + pair.n_rows;
    }
    rows.sort();
    return rows;
}

AttentionRows AttentionRows::scored(const Batch & batch, int32_t n_padding) {
    AttentionRows rows;
    const auto    add = [&](const BatchPair & pair) {
        rows.blocks_.push_back({ rows.n_rows_, 1, pair.n_tokens(), rows.cells_.size() - 1 });
        rows.n_rows_ += 1;
    };
    const BatchPair * last = nullptr;
    for (const BatchPair & pair : batch.pairs()) {
        if (pair.scored) {
            rows.add_cells(pair);
            add(pair);
            last = &pair;
        }
    }
    for (int32_t i = 0; last != nullptr && i < n_padding; ++i) {
        add(*last);
    }
    rows.sort();
    return rows;
}

PagedAttention::PagedAttention(AttentionKernel kernel, int32_t n_threads) :
    kernel_(kernel),
    scratch_(static_cast<size_t>(n_threads)) {}

void PagedAttention::begin() {
    const TsanFence fence;
    nodes_.clear();
}

ggml_tensor * PagedAttention::attend(
    ggml_context * context, ggml_tensor * q, ggml_tensor * k, ggml_tensor * v, const AttentionRows & rows) {
    const TsanFence fence;
    const int64_t   n_head_kv = k->ne[0] / q->ne[0];
    const auto      n_floats  = static_cast<size_t>(attention_scratch(q->ne[1] / n_head_kv, q->ne[0]));
    for (auto & scratch : scratch_) {
        scratch.resize(std::max(scratch.size(), n_floats));
    }
    Node & node                          = nodes_.emplace_back();
    node.attention                       = this;
    node.rows                            = &rows;
    std::array<ggml_tensor *, 3> sources = { q, k, v };
    return ggml_custom_4d(context, GGML_TYPE_F32, q->ne[0] * q->ne[1], q->ne[2], 1, 1, sources.data(), 3, compute,
                          GGML_N_TASKS_MAX, &node);
}

void PagedAttention::compute(ggml_tensor * dst, int thread, int /*n_threads*/, void * user_data) {
    const TsanFence       fence;
    auto &                node      = *static_cast<Node *>(user_data);
    PagedAttention &      attention = *node.attention;
    const AttentionRows & rows      = *node.rows;
    const ggml_tensor &   q         = *dst->src[0];
    const ggml_tensor &   k         = *dst->src[1];
    const ggml_tensor &   v         = *dst->src[2];
    const int64_t         head_size = q.ne[0];
    const int64_t         n_head_kv = k.ne[0] / head_size;
    const int64_t         n_tasks   = static_cast<int64_t>(rows.blocks().size()) * n_head_kv;
    const auto            group     = q.ne[1] / n_head_kv;  // query heads that share a KV head
    const auto            at        = [](const ggml_tensor & tensor, size_t offset) {
        return static_cast<char *>(tensor.data) + offset;
    };

    if (thread == 0 && rows.n_rows() < dst->ne[1]) {
        const size_t begin = static_cast<size_t>(rows.n_rows()) * dst->nb[1];
        std::memset(at(*dst, begin), 0, ggml_nbytes(dst) - begin);
    }
    std::array<int32_t, kAttentionTokens> n_visible = {};
    const auto                            take      = [&] {
        return node.next.fetch_add(1, std::memory_order_relaxed);
    };
    for (int64_t taken = take(); taken < n_tasks; taken = take()) {
        const AttentionRows::Block & block   = rows.blocks()[static_cast<size_t>(taken / n_head_kv)];
        const int64_t                head_kv = taken % n_head_kv;
        const auto                   row     = static_cast<size_t>(block.first_row);
        for (int32_t i = 0; i < block.n_rows; ++i) {
            n_visible[static_cast<size_t>(i)] = block.n_visible + i;
        }
        AttentionTask task    = {};
        task.q                = at(q, row * q.nb[2] + static_cast<size_t>(head_kv * group) * q.nb[1]);
        task.q_token_stride   = q.nb[2];
        task.q_head_stride    = q.nb[1];
        task.k                = at(k, ggml_row_size(k.type, head_kv * head_size));
        task.k_stride         = k.nb[1];
        task.k_type           = k.type;
        task.v                = at(v, ggml_row_size(v.type, head_kv * head_size));
        task.v_stride         = v.nb[1];
        task.v_type           = v.type;
        task.out_token_stride = dst->nb[1];
        task.out_head_stride  = static_cast<size_t>(head_size) * sizeof(float);
        task.out       = at(*dst, row * dst->nb[1] + static_cast<size_t>(head_kv * group) * task.out_head_stride);
        task.cells     = rows.cells(block);
        task.n_visible = n_visible.data();
        task.n_tokens  = block.n_rows;
        task.n_heads   = group;
        task.head_size = head_size;
        task.scale     = 1.0f / std::sqrt(static_cast<float>(head_size));
        attention.kernel_(task, attention.scratch_[static_cast<size_t>(thread)].data());
    }
}

}  // namespace jina_reranker
