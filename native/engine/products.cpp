#include "products.h"

#include "tsan-fence.h"

#include <algorithm>
#include <cstddef>

namespace jina_reranker {

namespace {

// How activations are given to a kernel.
enum class Input { f32, q8_of_256, q8_of_32 };

Input input_for(const ggml_tensor & weights) {
    return !ggml_is_quantized(weights.type) ? Input::f32 :
           weights.type == GGML_TYPE_Q8_0   ? Input::q8_of_32 :
                                              Input::q8_of_256;
}

int64_t divide_up(int64_t dividend, int64_t divisor) {
    return (dividend + divisor - 1) / divisor;
}

// A product, cut into pieces for the threads: some panels times some tokens.
class Cut {
  public:
    Cut(const ggml_tensor & result, int n_threads) :
        n_tokens_(result.ne[1]),
        n_slices_(divide_up(n_tokens_, kMatMulTokens)),
        n_slice_(divide_up(n_tokens_, n_slices_)) {
        constexpr int64_t kTasksOfAThread = 4;  // so that threads end at about the same time
        const int64_t     n_panels        = result.ne[0] / kMatMulRows * n_slices_;
        n_panels_ = std::clamp(n_panels / (kTasksOfAThread * n_threads), int64_t{ 1 }, kMatMulPanels);
    }

    int64_t n_tasks(const ggml_tensor & weights) const {
        return divide_up(weights.ne[1] / kMatMulRows, n_panels_) * n_slices_;
    }

    // Tasks of the same panels follow each other: threads find the weights in a cache that they share.
    // out: the first token's first row of these weights.
    MatMulTask task(int64_t             index,
                    const ggml_tensor & weights,
                    const ggml_tensor & input,
                    const ggml_tensor & result,
                    char *              out) const {
        const int64_t panel = index / n_slices_ * n_panels_;
        const int64_t token = index % n_slices_ * n_slice_;
        MatMulTask    task  = {};
        task.panel_stride   = weights.nb[1] * static_cast<size_t>(kMatMulRows);
        task.weights        = static_cast<const char *>(weights.data) + static_cast<size_t>(panel) * task.panel_stride;
        task.type           = weights.type;
        task.n_panels       = std::min(n_panels_, weights.ne[1] / kMatMulRows - panel);
        task.n_blocks       = weights.ne[0] / kMatMulBlock;
        task.input_stride   = input.nb[1];
        task.input          = static_cast<const char *>(input.data) + static_cast<size_t>(token) * input.nb[1];
        task.n_tokens       = std::max(std::min(n_slice_, n_tokens_ - token), int64_t{ 0 });
        task.out_stride     = result.nb[1];
        task.out =
            out + static_cast<size_t>(panel * kMatMulRows) * result.nb[0] + static_cast<size_t>(token) * result.nb[1];
        return task;
    }

  private:
    int64_t n_tokens_;
    int64_t n_slices_;  // of the tokens
    int64_t n_slice_;   // tokens of a slice
    int64_t n_panels_ = 1;
};

}  // namespace

Products::Products(std::optional<MatMulKernel> kernel, int32_t n_threads) :
    kernel_(kernel),
    scratch_(static_cast<size_t>(n_threads)) {}

void Products::begin() {
    const TsanFence fence;
    nodes_.clear();
}

Products::Node & Products::add_node() {
    Node & node   = nodes_.emplace_back();
    node.products = this;
    return node;
}

ggml_tensor * Products::multiply(ggml_context * context, const Matrices & weights, ggml_tensor * x) {
    const Input input = input_for(*weights.front().tensor);
    if (std::all_of(weights.begin(), weights.end(),
                    [&](const Matrix & matrix) { return matrix.packed && input_for(*matrix.tensor) == input; })) {
        return multiply_packed(context, weights, x);
    }
    ggml_tensor * results = nullptr;
    for (const Matrix & matrix : weights) {
        ggml_tensor * result =
            matrix.packed ? multiply_packed(context, { matrix }, x) : ggml_mul_mat(context, matrix.tensor, x);
        results = results == nullptr ? result : ggml_concat(context, results, result, 0);
    }
    return results;
}

ggml_tensor * Products::multiply_packed(ggml_context * context, const Matrices & weights, ggml_tensor * x) {
    const TsanFence            fence;
    std::vector<ggml_tensor *> sources;
    int64_t                    n_out = 0;
    for (const Matrix & matrix : weights) {
        sources.push_back(matrix.tensor);
        n_out += matrix.tensor->ne[1];
    }
    if (input_for(*sources.front()) != Input::f32) {
        ggml_tensor * pair[] = { x, sources.front() };  // the weights for their type
        x = ggml_custom_4d(context, GGML_TYPE_I8, static_cast<int64_t>(sizeof(MatMulInput)) * (x->ne[0] / kMatMulBlock),
                           x->ne[1], 1, 1, pair, 2, quantize, GGML_N_TASKS_MAX, &add_node());
    }
    sources.push_back(x);
    return ggml_custom_4d(context, GGML_TYPE_F32, n_out, x->ne[1], 1, 1, sources.data(),
                          static_cast<int>(sources.size()), multiply_tasks, GGML_N_TASKS_MAX, &add_node());
}

void Products::quantize(ggml_tensor * dst, int thread, int n_threads, void * user_data) {
    const TsanFence     fence;
    const Products &    products = *static_cast<Node *>(user_data)->products;
    const ggml_tensor & x        = *dst->src[0];
    for (int64_t row = thread; row < x.ne[1]; row += n_threads) {
        const auto at = static_cast<size_t>(row);
        products.kernel_->quantize(reinterpret_cast<const float *>(static_cast<const char *>(x.data) + at * x.nb[1]),
                                   x.ne[0] / kMatMulBlock, dst->src[1]->type,
                                   reinterpret_cast<MatMulInput *>(static_cast<char *>(dst->data) + at * dst->nb[1]));
    }
}

// A thread takes the next task when it has done one: of the first matrix, then of the next.
void Products::multiply_tasks(ggml_tensor * dst, int thread, int n_threads, void * user_data) {
    const TsanFence fence;
    auto &          node    = *static_cast<Node *>(user_data);
    MatMulScratch & scratch = node.products->scratch_[static_cast<size_t>(thread)];
    const Cut       cut(*dst, n_threads);
    const auto      take = [&] {
        return node.next.fetch_add(1, std::memory_order_relaxed);
    };
    size_t n_weights = 1;  // the source after them is the input
    while (n_weights + 1 < GGML_MAX_SRC && dst->src[n_weights + 1] != nullptr) {
        ++n_weights;
    }
    const ggml_tensor & input = *dst->src[n_weights];
    auto *              out   = static_cast<char *>(dst->data);
    int64_t             task  = take();
    int64_t             first = 0;  // of the matrix
    for (size_t i = 0; i < n_weights; ++i) {
        const ggml_tensor & weights = *dst->src[i];
        const int64_t       n_tasks = cut.n_tasks(weights);
        for (; task < first + n_tasks; task = take()) {
            node.products->kernel_->multiply(cut.task(task - first, weights, input, *dst, out), scratch);
        }
        first += n_tasks;
        out += static_cast<size_t>(weights.ne[1]) * dst->nb[0];
    }
}

}  // namespace jina_reranker
