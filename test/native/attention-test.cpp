// Attention over pages, by the engine's kernels and by ggml's operations, against a plain f64 computation; and that nothing else
// in the batch changes a bit of what the kernels give.

#include "backend.h"
#include "check.h"
#include "cpu-backend.h"
#include "ggml-alloc.h"
#include "grouped-attention.h"
#include "kernels.h"
#include "paged-attention.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <numeric>
#include <random>
#include <vector>

namespace jina_reranker {

// attention-kernel.cpp as it is for a compiler without vectors.
void attention_arrays(const AttentionTask & task, float * scratch);

}  // namespace jina_reranker

using namespace jina_reranker;

namespace {

std::vector<AttentionKernel> kernels() {
    std::vector<AttentionKernel> all = attention_kernels(cpu_features());
    all.push_back(attention_arrays);
    return all;
}

constexpr int32_t kPages = 40;

struct Shape {
    int64_t   head_size;
    int64_t   n_heads;
    int64_t   n_kv_heads;
    ggml_type type;
};

// A pair whose tokens from n_past on are in the batch.
struct Pair {
    uint32_t             seed;  // of its numbers
    int32_t              n_tokens;
    std::vector<int32_t> pages;
    int32_t              n_past = 0;
};

enum class Part : uint32_t { q, k, v };

// The numbers of one token, the same in every layout.
std::vector<float> numbers(const Pair & of, size_t token, Part part, int64_t n) {
    std::mt19937 random(of.seed * 100003 + static_cast<uint32_t>(token) * 7 + static_cast<uint32_t>(part));
    std::normal_distribution<float> normal;
    std::vector<float>              values(static_cast<size_t>(n));
    std::generate(values.begin(), values.end(), [&] { return normal(random); });
    return values;
}

// What a cell holds of them: rounded to the cache's type.
std::vector<uint8_t> stored(const std::vector<float> & values, ggml_type type) {
    std::vector<uint8_t> bytes(ggml_row_size(type, static_cast<int64_t>(values.size())));
    if (type == GGML_TYPE_F32) {
        std::memcpy(bytes.data(), values.data(), bytes.size());
    } else {
        ggml_quantize_chunk(type, values.data(), bytes.data(), 0, 1, static_cast<int64_t>(values.size()), nullptr);
    }
    return bytes;
}

std::vector<float> rounded(const std::vector<float> & values, ggml_type type) {
    const std::vector<uint8_t> bytes = stored(values, type);
    std::vector<float>         result(values.size());
    if (type == GGML_TYPE_F32) {
        return values;
    }
    ggml_get_type_traits(type)->to_float(bytes.data(), result.data(), static_cast<int64_t>(values.size()));
    return result;
}

// What builds the node that attends.
using Attend = std::function<ggml_tensor *(ggml_context * context, ggml_tensor * q, ggml_tensor * k, ggml_tensor * v)>;

// What attention gives for the batch's rows: [n_rows][n_heads][head_size].
std::vector<float> compute(const Shape &                 shape,
                           const std::vector<Pair> &     pairs,
                           const Attend &                attend,
                           const std::function<void()> & fill,
                           int32_t                       n_threads) {
    int64_t n_rows = 0;
    for (const Pair & pair : pairs) {
        n_rows += pair.n_tokens - pair.n_past;
    }
    const ggml_backend_ptr backend = cpu_backend(n_threads);

    const ggml_context_ptr context(ggml_init({ 256 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true }));
    ggml_context *         ctx     = context.get();
    const int64_t          width   = shape.head_size * shape.n_kv_heads;
    const int64_t          n_cells = int64_t{ kPages } * kPageTokens;
    ggml_tensor *          q       = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, shape.head_size, shape.n_heads, n_rows);
    ggml_tensor *          k       = ggml_new_tensor_2d(ctx, shape.type, width, n_cells);
    ggml_tensor *          v       = ggml_new_tensor_2d(ctx, shape.type, width, n_cells);
    ggml_tensor *          node    = attend(ctx, q, k, v);
    const ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(ctx, backend.get()));
    ggml_cgraph *                 graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, node);

    // What no row of the batch may see would show.
    std::fill_n(static_cast<uint8_t *>(k->data), ggml_nbytes(k), uint8_t{ 0x3c });
    std::fill_n(static_cast<uint8_t *>(v->data), ggml_nbytes(v), uint8_t{ 0x3c });
    size_t row = 0;
    for (const Pair & pair : pairs) {
        for (int32_t token = 0; token < pair.n_tokens; ++token) {
            const auto at     = static_cast<size_t>(token);
            const auto cell   = static_cast<size_t>(pair.pages[at / kPageTokens] * kPageTokens + token % kPageTokens);
            const auto keys   = stored(numbers(pair, at, Part::k, width), shape.type);
            const auto values = stored(numbers(pair, at, Part::v, width), shape.type);
            std::memcpy(static_cast<uint8_t *>(k->data) + cell * k->nb[1], keys.data(), keys.size());
            std::memcpy(static_cast<uint8_t *>(v->data) + cell * v->nb[1], values.data(), values.size());
            if (token >= pair.n_past) {
                const auto query = numbers(pair, at, Part::q, shape.head_size * shape.n_heads);
                std::memcpy(static_cast<uint8_t *>(q->data) + row * q->nb[2], query.data(), q->nb[2]);
                ++row;
            }
        }
    }
    fill();
    CHECK_EQUAL(static_cast<int>(ggml_backend_graph_compute(backend.get(), graph)),
                static_cast<int>(GGML_STATUS_SUCCESS));
    std::vector<float> result(static_cast<size_t>(ggml_nelements(node)));
    std::memcpy(result.data(), node->data, ggml_nbytes(node));
    return result;
}

Batch batch_of(const std::vector<Pair> & pairs) {
    Batch batch;
    for (const Pair & pair : pairs) {
        batch.add(std::vector<int32_t>(static_cast<size_t>(pair.n_tokens - pair.n_past)), pair.n_past, pair.pages,
                  true);
    }
    return batch;
}

std::vector<float>
paged(const Shape & shape, const std::vector<Pair> & pairs, AttentionKernel kernel, int32_t n_threads) {
    const Batch         batch = batch_of(pairs);
    const AttentionRows rows  = AttentionRows::all(batch);
    PagedAttention      attention(kernel, n_threads);
    return compute(
        shape, pairs,
        [&](ggml_context * context, ggml_tensor * q, ggml_tensor * k, ggml_tensor * v) {
            return attention.attend(context, q, k, v, rows);
        },
        [] {}, n_threads);
}

std::vector<float> grouped(const Shape & shape, const std::vector<Pair> & pairs, GroupedAttention::Pairs padding) {
    const Batch      batch     = batch_of(pairs);
    GroupedAttention attention = GroupedAttention::all(batch, padding);
    CHECK(attention.shape().size() > 1 && attention.shape().size() <= GroupedAttention::kMostGroups);
    return compute(
        shape, pairs,
        [&](ggml_context * context, ggml_tensor * q, ggml_tensor * k, ggml_tensor * v) {
            attention.make_inputs(context);
            return attention.attend(context, q, k, v);
        },
        [&] { attention.fill(); }, 2);
}

// The same for one token, in f64.
std::vector<double> expected(const Shape & shape, const Pair & of, size_t token) {
    const auto          head_size = static_cast<size_t>(shape.head_size);
    const auto          n_heads   = static_cast<size_t>(shape.n_heads);
    const auto          shared    = static_cast<size_t>(shape.n_heads / shape.n_kv_heads);
    const auto          query     = numbers(of, token, Part::q, shape.head_size * shape.n_heads);
    std::vector<double> result(n_heads * head_size);
    for (size_t head = 0; head < n_heads; ++head) {
        const size_t        offset = head / shared * head_size;
        std::vector<double> weights;
        for (size_t before = 0; before <= token; ++before) {
            const auto keys = rounded(numbers(of, before, Part::k, shape.head_size * shape.n_kv_heads), shape.type);
            double     dot  = 0.0;
            for (size_t i = 0; i < head_size; ++i) {
                dot += static_cast<double>(query[head * head_size + i]) * static_cast<double>(keys[offset + i]);
            }
            weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(shape.head_size))));
        }
        double total = 0.0;
        for (const double weight : weights) {
            total += weight;
        }
        for (size_t before = 0; before <= token; ++before) {
            const auto values = rounded(numbers(of, before, Part::v, shape.head_size * shape.n_kv_heads), shape.type);
            for (size_t i = 0; i < head_size; ++i) {
                result[head * head_size + i] += weights[before] / total * static_cast<double>(values[offset + i]);
            }
        }
    }
    return result;
}

const std::vector<Shape> & shapes() {
    static const std::vector<Shape> all = {
        { 128, 12, 2, GGML_TYPE_F16 },
        { 64, 6, 2, GGML_TYPE_F32 },
        { 32, 4, 4, GGML_TYPE_Q8_0 },
        { 8, 5, 1, GGML_TYPE_F16 },
    };
    return all;
}

// Compares every number of every row.
void expect(const Shape & shape, const std::vector<Pair> & pairs, const std::vector<float> & got, double tolerance) {
    size_t at = 0;
    for (const Pair & pair : pairs) {
        for (auto token = static_cast<size_t>(pair.n_past); token < static_cast<size_t>(pair.n_tokens); ++token) {
            for (const double number : expected(shape, pair, token)) {
                CHECK(std::abs(static_cast<double>(got[at]) - number) < tolerance);
                ++at;
            }
        }
    }
    CHECK_EQUAL(at, got.size());
}

// One begins behind a prefix, one lies in scattered pages, one has a single token, two share their first page.
std::vector<Pair> pairs_of_all_kinds() {
    return {
        { 1, 37, { 0, 1, 2 } },   { 2, 90, { 5, 6, 7, 8, 9, 10 }, 71 },
        { 3, 35, { 19, 3, 11 } }, { 4, 1, { 4 } },
        { 5, 20, { 12, 13 } },    { 5, 18, { 12, 14 }, 16 },
    };
}

// More kinds than there may be groups.
std::vector<Pair> pairs_of_many_sizes() {
    std::vector<Pair> pairs;
    int32_t           page = 0;
    const auto        add  = [&](int32_t n_tokens, int32_t n_past) {
        Pair & pair = pairs.emplace_back(Pair{ static_cast<uint32_t>(n_tokens), n_tokens, {}, n_past });
        while (static_cast<int32_t>(pair.pages.size()) < pages_of(n_tokens)) {
            pair.pages.push_back(page++);
        }
    };
    for (const int32_t n_tokens : { 1, 2, 3, 5, 9, 17, 33, 65 }) {
        add(n_tokens, 0);
    }
    add(80, 79);
    add(90, 88);
    return pairs;
}

void equals_a_plain_computation() {
    for (const Shape & shape : shapes()) {
        for (const AttentionKernel kernel : kernels()) {
            expect(shape, pairs_of_all_kinds(), paged(shape, pairs_of_all_kinds(), kernel, 2), 1e-5);
        }
    }
}

// Its K and V go through 16 bits.
void equals_a_plain_computation_with_ggmls_operations() {
    for (const Shape & shape : shapes()) {
        for (const auto padding : { GroupedAttention::Pairs::as_they_are, GroupedAttention::Pairs::padded }) {
            expect(shape, pairs_of_all_kinds(), grouped(shape, pairs_of_all_kinds(), padding), 5e-3);
            expect(shape, pairs_of_many_sizes(), grouped(shape, pairs_of_many_sizes(), padding), 5e-3);
        }
    }
}

// Our kernels and ggml's operations, on the same numbers.
void equals_a_plain_computation_on_random_shapes() {
    std::mt19937 random(1);
    const auto   up_to = [&](int32_t n) {
        return static_cast<int32_t>(random() % static_cast<uint32_t>(n)) + 1;
    };
    for (int32_t i = 0; i < 6; ++i) {
        const int64_t n_kv_heads = up_to(3);
        const Shape   shape{ i % 3 == 2 ? int64_t{ 32 } * up_to(4) : kAttentionHead * up_to(16), n_kv_heads * up_to(6),
                           n_kv_heads,
                           i % 3 == 0 ? GGML_TYPE_F16 :
                           i % 3 == 1 ? GGML_TYPE_F32 :
                                        GGML_TYPE_Q8_0 };
        std::vector<int32_t> pages(8);
        std::iota(pages.begin(), pages.end(), 0);
        std::shuffle(pages.begin(), pages.end(), random);
        std::vector<Pair> pairs;
        for (int32_t first = 0; first < 8;) {
            const int32_t n_pages  = std::min(up_to(4), 8 - first);
            const int32_t n_tokens = (n_pages - 1) * kPageTokens + up_to(kPageTokens);
            pairs.push_back({ static_cast<uint32_t>(random()),
                              n_tokens,
                              { pages.begin() + first, pages.begin() + first + n_pages },
                              up_to(n_tokens) - 1 });
            first += n_pages;
        }
        for (const AttentionKernel kernel : kernels()) {
            expect(shape, pairs, paged(shape, pairs, kernel, up_to(3)), 1e-5);
        }
        // Where they make several groups, which is what grouped() is for.
        constexpr auto kAsTheyAre = GroupedAttention::Pairs::as_they_are;
        if (GroupedAttention::all(batch_of(pairs), kAsTheyAre).shape().size() > 1) {
            expect(shape, pairs, grouped(shape, pairs, kAsTheyAre), 5e-3);
        }
    }
}

// On a GPU, where graphs of the same shape are worth something.
void groups_pairs_of_about_the_same_sizes_alike() {
    const auto shape = [](const std::vector<Pair> & pairs) {
        return GroupedAttention::all(batch_of(pairs), GroupedAttention::Pairs::padded).shape();
    };
    const std::vector<Pair> pairs = { { 1, 150, std::vector<int32_t>(10) },
                                      { 2, 150, std::vector<int32_t>(10), 140 },
                                      { 3, 130, std::vector<int32_t>(10) } };
    const std::vector<Pair> other = { { 4, 159, std::vector<int32_t>(10), 150 },
                                      { 5, 180, std::vector<int32_t>(12) },
                                      { 6, 180, std::vector<int32_t>(12) },
                                      { 7, 190, std::vector<int32_t>(12), 60 } };
    CHECK(shape(pairs) == shape(other));
    CHECK((shape(pairs) == std::vector<std::array<int32_t, 3>>{ { 16, 192, 4 }, { 256, 192, 4 } }));
    // As they come, and many sizes in any order.
    CHECK((GroupedAttention::all(batch_of(pairs), GroupedAttention::Pairs::as_they_are).shape() ==
           std::vector<std::array<int32_t, 3>>{ { 16, 192, 1 }, { 256, 192, 2 } }));
    std::vector<Pair> reversed = pairs_of_many_sizes();
    std::reverse(reversed.begin(), reversed.end());
    CHECK(shape(reversed) == shape(pairs_of_many_sizes()));
}

void gives_a_row_the_same_bits_in_any_batch_and_any_pages() {
    for (const Shape & shape : shapes()) {
        for (const AttentionKernel kernel : kernels()) {
            const auto alone = paged(shape, { { 1, 75, { 0, 1, 2, 3, 4 } } }, kernel, 1);
            const auto beside =
                paged(shape, { { 2, 13, { 5 } }, { 1, 75, { 19, 7, 12, 3, 9 } }, { 3, 40, { 0, 1, 2 } } }, kernel, 3);
            const auto width = static_cast<size_t>(shape.head_size * shape.n_heads);
            CHECK(std::equal(alone.begin(), alone.end(), beside.begin() + static_cast<ptrdiff_t>(13 * width)));
            // In two steps, the second of which finds the first in its pages.
            const auto second = paged(shape, { { 1, 75, { 6, 5, 4, 3, 2 }, 50 } }, kernel, 2);
            CHECK(std::equal(second.begin(), second.end(), alone.begin() + static_cast<ptrdiff_t>(50 * width)));
        }
    }
}

void gives_the_same_bits_with_any_number_of_threads() {
    for (const Shape & shape : shapes()) {
        for (const AttentionKernel kernel : kernels()) {
            const auto with_one = paged(shape, pairs_of_all_kinds(), kernel, 1);
            for (int32_t n_threads = 2; n_threads <= 8; ++n_threads) {
                CHECK(paged(shape, pairs_of_all_kinds(), kernel, n_threads) == with_one);
            }
        }
    }
}

// Without it the other tests would compare nothing.
void has_a_kernel_for_every_processor() {
    CHECK(!attention_kernels(cpu_features()).empty());
}

}  // namespace

int main() {
    load_backends(JINA_RERANKER_LIBRARIES);
    return check::run({
        { "has a kernel for every processor", has_a_kernel_for_every_processor },
        { "equals a plain computation", equals_a_plain_computation },
        { "equals a plain computation with ggml's operations", equals_a_plain_computation_with_ggmls_operations },
        { "equals a plain computation on random shapes", equals_a_plain_computation_on_random_shapes },
        { "groups pairs of about the same sizes alike", groups_pairs_of_about_the_same_sizes_alike },
        { "gives a row the same bits in any batch and any pages",
          gives_a_row_the_same_bits_in_any_batch_and_any_pages },
        { "gives the same bits with any number of threads", gives_the_same_bits_with_any_number_of_threads },
    });
}
