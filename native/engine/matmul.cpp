#include "matmul.h"

#include "kernels.h"

#include <algorithm>

namespace jina_reranker {

MatMul::MatMul(int32_t n_threads, Turns & turns, MatMulKernel kernel) :
    kernel_(kernel),
    turns_(turns),
    op_(compute, this),
    panels_(static_cast<size_t>(n_threads)) {}

bool MatMul::replace(ggml_tensor * node) {
    if (node->op != GGML_OP_MUL_MAT || !is_matmul_type(node->src[0]->type)) {
        return true;
    }
    const Turn          turn(turns_);
    const ggml_tensor & weights = *node->src[0];
    const ggml_tensor & input   = *node->src[1];
    if (ggml_n_dims(&weights) > 2 || weights.ne[0] % kMatMulBlock != 0 || input.type != GGML_TYPE_F32 ||
        ggml_n_dims(&input) > 2 || input.nb[0] != sizeof(float) || node->type != GGML_TYPE_F32 ||
        node->nb[0] != sizeof(float)) {
        return false;
    }
    const auto n_blocks = static_cast<size_t>(weights.ne[0] / kMatMulBlock);
    const auto n_inputs = n_blocks * static_cast<size_t>(input.ne[1]);
    input_.resize(std::max(input_.size(), n_inputs));
    for (auto & panels : panels_) {
        panels.resize(std::max(panels.size(), n_blocks));
    }
    op_.take(node, &input == last_input_ ? Input::of_the_last : Input::own);
    last_input_ = &input;
    return true;
}

void MatMul::compute(ggml_tensor * node, int thread, int n_threads, void * user_data) {
    auto &     matmul = *static_cast<MatMul *>(user_data);
    const Turn turn(matmul.turns_);
    if (CustomOp::value_of<Input>(*node) == Input::own) {
        matmul.round_input(*node->src[1], thread, n_threads);
    }
    matmul.rounded_.wait(n_threads, [&] { matmul.next_panel_.store(0, std::memory_order_relaxed); });
    matmul.multiply(*node, matmul.panels_[static_cast<size_t>(thread)]);
}

void MatMul::round_input(const ggml_tensor & input, int thread, int n_threads) {
    const int64_t n_blocks = input.ne[0] / kMatMulBlock;
    for (int64_t token = thread; token < input.ne[1]; token += n_threads) {
        const char * row = static_cast<const char *>(input.data) + static_cast<size_t>(token) * input.nb[1];
        kernel_.quantize(reinterpret_cast<const float *>(row), n_blocks,
                         &input_[static_cast<size_t>(token * n_blocks)]);
    }
}

// Sixteen rows of weights at a time, as threads have done with those before.
void MatMul::multiply(const ggml_tensor & node, std::vector<MatMulPanel> & panels) {
    const ggml_tensor & weights  = *node.src[0];
    const int64_t       n_panels = (weights.ne[1] + kMatMulRows - 1) / kMatMulRows;
    const auto          take     = [&] {
        return next_panel_.fetch_add(1, std::memory_order_relaxed);
    };
    for (int64_t panel = take(); panel < n_panels; panel = take()) {
        const int64_t row   = panel * kMatMulRows;
        MatMulTask    task  = {};
        task.weights        = static_cast<const char *>(weights.data) + static_cast<size_t>(row) * weights.nb[1];
        task.weights_stride = weights.nb[1];
        task.type           = weights.type;
        task.n_rows         = std::min(kMatMulRows, weights.ne[1] - row);
        task.n_blocks       = weights.ne[0] / kMatMulBlock;
        task.input          = input_.data();
        task.n_tokens       = node.src[1]->ne[1];
        task.out            = static_cast<char *>(node.data) + static_cast<size_t>(row) * node.nb[0];
        task.out_stride     = node.nb[1];
        kernel_.multiply(task, panels.data());
    }
}

}  // namespace jina_reranker
