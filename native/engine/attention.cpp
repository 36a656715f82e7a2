#include "attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace jina_reranker {

namespace {

constexpr int64_t kHeadStep = 8;  // what a head's size is a multiple of
constexpr int64_t kMaskStep = 4;  // what a mask's row is a multiple of; llama.cpp's are of 256

// The cells that a token sees, in order; how many.
int32_t visible_cells(const ggml_tensor & mask, int64_t token, int32_t * cells) {
    constexpr int64_t  kAtOnce = sizeof(uint64_t) / sizeof(ggml_fp16_t);
    constexpr uint64_t kNone   = 0xfc00fc00fc00fc00;  // minus infinity is added to what is not seen, zero to the rest

    const char * row       = static_cast<const char *>(mask.data) + static_cast<size_t>(token) * mask.nb[1];
    int32_t      n_visible = 0;
    for (int64_t cell = 0; cell < mask.ne[0]; cell += kAtOnce) {
        uint64_t four = 0;
        std::memcpy(&four, row + static_cast<size_t>(cell) * sizeof(ggml_fp16_t), sizeof(four));
        if (four == kNone) {
            continue;
        }
        for (int64_t i = 0; i < kAtOnce; ++i) {
            cells[n_visible] = static_cast<int32_t>(cell + i);
            n_visible += (four >> (i * 16) & 0xffff) == 0 ? 1 : 0;
        }
    }
    return n_visible;
}

// What the cache holds, where llama.cpp would round it for ggml's attention.
ggml_tensor * unrounded(ggml_tensor * tensor) {
    return tensor->op == GGML_OP_CPY && tensor->src[0]->type == GGML_TYPE_F32 ? tensor->src[0] : tensor;
}

}  // namespace

Attention::Attention(int32_t n_threads, Turns & turns, AttentionKernel kernel) :
    kernel_(kernel),
    turns_(turns),
    op_(compute, this),
    scratch_(static_cast<size_t>(n_threads)) {}

bool Attention::replace(ggml_tensor * node) {
    if (node->op != GGML_OP_FLASH_ATTN_EXT) {
        return true;
    }
    const Turn           turn(turns_);
    std::array<float, 3> params = {};  // scale, ALiBi's bias, soft cap
    std::memcpy(params.data(), node->op_params, sizeof(params));
    const ggml_tensor & q    = *node->src[0];
    const ggml_tensor & k    = *node->src[1];
    const ggml_tensor & v    = *node->src[2];
    const ggml_tensor * mask = node->src[3];
    const ggml_tensor * sink = node->src[4];
    if (q.type != GGML_TYPE_F32 || q.nb[0] != sizeof(float) || q.ne[3] != 1 || q.ne[0] % kHeadStep != 0 ||
        v.ne[0] != q.ne[0] || q.ne[2] % k.ne[2] != 0 || k.ne[2] != v.ne[2] || mask == nullptr || mask->ne[2] != 1 ||
        mask->ne[0] % kMaskStep != 0 || sink != nullptr || params[1] != 0.0f || params[2] != 0.0f) {
        return false;
    }
    for (Scratch & scratch : scratch_) {
        scratch.numbers.resize(static_cast<size_t>(attention_scratch(q.ne[2] / k.ne[2], q.ne[0])));
        scratch.cells.resize(static_cast<size_t>(kAttentionTokens * mask->ne[0] + 1));
        scratch.n_visible.resize(static_cast<size_t>(kAttentionTokens));
    }
    op_.take(node, params[0]);
    node->src[1] = unrounded(node->src[1]);
    node->src[2] = unrounded(node->src[2]);
    return true;
}

void Attention::compute(ggml_tensor * node, int thread, int n_threads, void * user_data) {
    auto &        attention = *static_cast<Attention *>(user_data);
    const Turn    turn(attention.turns_);
    const int64_t n_tokens = node->src[0]->ne[1];
    const int64_t n_heads  = node->src[1]->ne[2];
    const int64_t n_tasks  = (n_tokens + kAttentionTokens - 1) / kAttentionTokens * n_heads;
    for (int64_t task = thread; task < n_tasks; task += n_threads) {
        const int64_t begin = task / n_heads * kAttentionTokens;
        attention.compute_tokens(*node, task % n_heads, begin, std::min(begin + kAttentionTokens, n_tokens),
                                 attention.scratch_[static_cast<size_t>(thread)]);
    }
}

// head: of K and V.
void Attention::compute_tokens(
    const ggml_tensor & node, int64_t head, int64_t begin, int64_t end, Scratch & scratch) const {
    const ggml_tensor & q      = *node.src[0];
    const ggml_tensor & k      = *node.src[1];
    const ggml_tensor & v      = *node.src[2];
    const ggml_tensor & mask   = *node.src[3];
    const auto          n_kv   = static_cast<size_t>(mask.ne[0]);
    const int64_t       n_gqa  = q.ne[2] / k.ne[2];
    const auto          q_head = static_cast<size_t>(head * n_gqa);
    int32_t * const     cells  = scratch.cells.data();
    for (int64_t token = begin; token < end; ++token) {
        const auto row         = static_cast<size_t>(token - begin);
        scratch.n_visible[row] = visible_cells(mask, token, cells + row * n_kv);
    }
    for (int64_t first = begin; first < end;) {
        // Tokens are taken together while each sees what the one before it sees, and more.
        int64_t after = first + 1;
        for (; after < end; ++after) {
            const auto      row    = static_cast<size_t>(after - begin);
            const int32_t * before = cells + (row - 1) * n_kv;
            if (scratch.n_visible[row] < scratch.n_visible[row - 1] ||
                !std::equal(before, before + scratch.n_visible[row - 1], before + n_kv)) {
                break;
            }
        }
        AttentionTask task = {};
        task.q = static_cast<const char *>(q.data) + static_cast<size_t>(first) * q.nb[1] + q_head * q.nb[2];
        task.q_token_stride = q.nb[1];
        task.q_head_stride  = q.nb[2];
        task.k              = static_cast<const char *>(k.data) + static_cast<size_t>(head) * k.nb[2];
        task.k_stride       = k.nb[1];
        task.k_type         = k.type;
        task.v              = static_cast<const char *>(v.data) + static_cast<size_t>(head) * v.nb[2];
        task.v_stride       = v.nb[1];
        task.v_type         = v.type;
        task.out = static_cast<char *>(node.data) + static_cast<size_t>(first) * node.nb[2] + q_head * node.nb[1];
        task.out_token_stride = node.nb[2];
        task.out_head_stride  = node.nb[1];
        task.cells            = cells + static_cast<size_t>(after - 1 - begin) * n_kv;
        task.n_visible        = scratch.n_visible.data() + (first - begin);
        task.n_tokens         = after - first;
        task.n_heads          = n_gqa;
        task.head_size        = q.ne[0];
        task.scale            = CustomOp::value_of<float>(node);
        kernel_(task, scratch.numbers.data());
        first = after;
    }
}

}  // namespace jina_reranker
