// Attention of all rows to all, by the engine's kernels and by ggml's operation, against a plain f64 computation.

#include "backend.h"
#include "check.h"
#include "cpu-backend.h"
#include "full-attention.h"
#include "ggml-alloc.h"
#include "kernels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

using namespace jina_reranker;

namespace {

struct Shape {
    int64_t head_size;
    int64_t n_head;
    int64_t n_rows;
};

using Numbers = std::vector<float>;  // [n_rows][n_head][head_size] each of q, k and v

Numbers random_numbers(size_t n) {
    std::mt19937                    random(17);
    std::normal_distribution<float> normal(0.0f, 1.5f);
    Numbers                         numbers(n);
    std::generate(numbers.begin(), numbers.end(), [&] { return normal(random); });
    return numbers;
}

// As the tower lays q, k and v out: one after the other in a row.
Numbers computed(const Shape & shape, const Numbers & qkv, std::optional<AttentionKernel> kernel, int32_t n_threads) {
    const ggml_backend_ptr backend = cpu_backend(n_threads);
    const ggml_context_ptr context(ggml_init({ 32 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true }));
    ggml_context *         ctx = context.get();
    FullAttention          attention(kernel, n_threads);
    ggml_tensor * rows = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, shape.head_size, 3 * shape.n_head, shape.n_rows);
    const auto    view = [&](int64_t n_head, int64_t first) {
        return ggml_view_3d(ctx, rows, shape.head_size, n_head, shape.n_rows, rows->nb[1], rows->nb[2],
                               static_cast<size_t>(first) * rows->nb[1]);
    };
    ggml_tensor * node  = attention.attend(ctx, view(2 * shape.n_head, 0), view(shape.n_head, 2 * shape.n_head));
    ggml_cgraph * graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, node);
    const ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(ctx, backend.get()));
    std::memcpy(rows->data, qkv.data(), ggml_nbytes(rows));
    CHECK_EQUAL(static_cast<int>(ggml_backend_graph_compute(backend.get(), graph)),
                static_cast<int>(GGML_STATUS_SUCCESS));
    Numbers result(static_cast<size_t>(ggml_nelements(node)));
    std::memcpy(result.data(), node->data, ggml_nbytes(node));
    return result;
}

std::vector<double> expected(const Shape & shape, const Numbers & qkv) {
    const auto head_size = static_cast<size_t>(shape.head_size);
    const auto n_head    = static_cast<size_t>(shape.n_head);
    const auto n_rows    = static_cast<size_t>(shape.n_rows);
    const auto at        = [&](size_t row, size_t head, size_t i) {
        return static_cast<double>(qkv[(row * 3 * n_head + head) * head_size + i]);
    };
    std::vector<double> result(n_rows * n_head * head_size);
    for (size_t row = 0; row < n_rows; ++row) {
        for (size_t head = 0; head < n_head; ++head) {
            std::vector<double> weights(n_rows);
            double              sum = 0;
            for (size_t other = 0; other < n_rows; ++other) {
                double score = 0;
                for (size_t i = 0; i < head_size; ++i) {
                    score += at(row, head, i) * at(other, n_head + head, i);
                }
                weights[other] = std::exp(score / std::sqrt(static_cast<double>(head_size)));
                sum += weights[other];
            }
            for (size_t other = 0; other < n_rows; ++other) {
                for (size_t i = 0; i < head_size; ++i) {
                    result[(row * n_head + head) * head_size + i] +=
                        weights[other] / sum * at(other, 2 * n_head + head, i);
                }
            }
        }
    }
    return result;
}

// A few rows, a whole task's, one block more, and many.
const std::vector<Shape> & shapes() {
    static const std::vector<Shape> all = { { 8, 2, 4 }, { 80, 2, 48 }, { 80, 3, 52 }, { 32, 1, 260 } };
    return all;
}

double worst(const Shape & shape, std::optional<AttentionKernel> kernel) {
    const Numbers qkv    = random_numbers(static_cast<size_t>(3 * shape.head_size * shape.n_head * shape.n_rows));
    const auto    wanted = expected(shape, qkv);
    const auto    given  = computed(shape, qkv, kernel, 2);
    CHECK_EQUAL(given.size(), wanted.size());
    double most = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
        const double difference = std::abs(static_cast<double>(given[i]) - wanted[i]);
        most                    = std::isfinite(difference) ? std::max(most, difference) : INFINITY;
    }
    return most;
}

void kernels_give_what_f64_gives() {
    for (const AttentionKernel kernel : attention_kernels(cpu_features())) {
        for (const Shape & shape : shapes()) {
            CHECK(worst(shape, kernel) < 1e-5);
        }
    }
}

void ggml_gives_what_f64_gives() {
    for (const Shape & shape : shapes()) {
        CHECK(worst(shape, std::nullopt) < 2e-2);  // K and V in F16
    }
}

void gives_the_same_bits_with_any_number_of_threads() {
    for (const AttentionKernel kernel : attention_kernels(cpu_features())) {
        const Shape   shape = { 80, 2, 100 };
        const Numbers qkv   = random_numbers(static_cast<size_t>(3 * shape.head_size * shape.n_head * shape.n_rows));
        const auto    one   = computed(shape, qkv, kernel, 1);
        CHECK(computed(shape, qkv, kernel, 3) == one);
    }
}

}  // namespace

int main() {
    load_backends(JINA_RERANKER_LIBRARIES);
    return check::run({
        { "kernels give what f64 gives", kernels_give_what_f64_gives },
        { "ggml gives what f64 gives", ggml_gives_what_f64_gives },
        { "gives the same bits with any number of threads", gives_the_same_bits_with_any_number_of_threads },
    });
}
