#include "products.h"

#include "kernels.h"
#include "tsan-fence.h"

#include <algorithm>
#include <cstddef>

namespace jina_reranker {

Products::Products(std::optional<MatMulKernel> kernel, int32_t n_threads) :
    kernel_(kernel),
    panels_(static_cast<size_t>(n_threads)) {}

void Products::begin() {
    const TsanFence fence;
    nodes_.clear();
}

bool Products::is_own(const Matrices & weights) const {
    return kernel_ && std::all_of(weights.begin(), weights.end(), [](const ggml_tensor * matrix) {
               return is_matmul_type(matrix->type) && matrix->ne[0] % kMatMulBlock == 0 && matrix->buffer != nullptr &&
                      ggml_backend_buffer_is_host(matrix->buffer);
           });
}

Products::Node & Products::add_node(size_t n_weights) {
    Node & node    = nodes_.emplace_back();
    node.products  = this;
    node.n_weights = n_weights;
    return node;
}

// By ggml, which has a product of one matrix only.
ggml_tensor * Products::multiply_each(ggml_context * context, const Matrices & weights, ggml_tensor * x) {
    ggml_tensor * results = nullptr;
    for (ggml_tensor * matrix : weights) {
        ggml_tensor * result = ggml_mul_mat(context, matrix, x);
        results              = results == nullptr ? result : ggml_concat(context, results, result, 0);
    }
    return results;
}

ggml_tensor * Products::multiply(ggml_context * context, const Matrices & weights, ggml_tensor * x) {
    if (!is_own(weights)) {
        return multiply_each(context, weights, x);
    }
    const TsanFence fence;
    const int64_t   n_blocks = x->ne[0] / kMatMulBlock;
    for (auto & panels : panels_) {
        panels.resize(std::max(panels.size(), static_cast<size_t>(n_blocks)));
    }
    Matrices sources = weights;
    sources.push_back(ggml_custom_4d(context, GGML_TYPE_I8, static_cast<int64_t>(sizeof(MatMulInput)) * n_blocks,
                                     x->ne[1], 1, 1, &x, 1, round, GGML_N_TASKS_MAX, &add_node(0)));
    int64_t n_out = 0;
    for (const ggml_tensor * matrix : weights) {
        n_out += matrix->ne[1];
    }
    return ggml_custom_4d(context, GGML_TYPE_F32, n_out, x->ne[1], 1, 1, sources.data(),
                          static_cast<int>(sources.size()), multiply_panels, GGML_N_TASKS_MAX,
                          &add_node(weights.size()));
}

void Products::round(ggml_tensor * dst, int thread, int n_threads, void * user_data) {
    const TsanFence     fence;
    const auto &        products = *static_cast<Node *>(user_data)->products;
    const ggml_tensor & x        = *dst->src[0];
    const int64_t       n_blocks = x.ne[0] / kMatMulBlock;
    for (int64_t row = thread; row < x.ne[1]; row += n_threads) {
        const auto offset = static_cast<size_t>(row);
        products.kernel_->quantize(
            reinterpret_cast<const float *>(static_cast<const char *>(x.data) + offset * x.nb[1]), n_blocks,
            reinterpret_cast<MatMulInput *>(static_cast<char *>(dst->data) + offset * dst->nb[1]));
    }
}

// Sixteen rows of weights at a time, as threads have done with those before: of one matrix, then of the next.
void Products::multiply_panels(ggml_tensor * dst, int thread, int /*n_threads*/, void * user_data) {
    const TsanFence fence;
    auto &          node     = *static_cast<Node *>(user_data);
    Products &      products = *node.products;
    const auto      take     = [&] {
        return node.next.fetch_add(1, std::memory_order_relaxed);
    };
    int64_t panel       = take();
    int64_t first_panel = 0;  // of the matrix
    int64_t first_out   = 0;  // likewise
    for (size_t i = 0; i < node.n_weights; ++i) {
        const ggml_tensor & weights  = *dst->src[i];
        const int64_t       n_panels = (weights.ne[1] + kMatMulRows - 1) / kMatMulRows;
        for (; panel < first_panel + n_panels; panel = take()) {
            const int64_t row   = (panel - first_panel) * kMatMulRows;
            MatMulTask    task  = {};
            task.weights        = static_cast<const char *>(weights.data) + static_cast<size_t>(row) * weights.nb[1];
            task.weights_stride = weights.nb[1];
            task.type           = weights.type;
            task.n_rows         = std::min(kMatMulRows, weights.ne[1] - row);
            task.n_blocks       = weights.ne[0] / kMatMulBlock;
            task.input          = static_cast<const MatMulInput *>(dst->src[node.n_weights]->data);
            task.n_tokens       = dst->ne[1];
            task.out            = static_cast<char *>(dst->data) + static_cast<size_t>(first_out + row) * dst->nb[0];
            task.out_stride     = dst->nb[1];
            products.kernel_->multiply(task, products.panels_[static_cast<size_t>(thread)].data());
        }
        first_panel += n_panels;
        first_out += weights.ne[1];
    }
}

}  // namespace jina_reranker
