// The engine's attention, computed by ggml's threads in place of ggml's node, against a plain f64 computation; and that
// nothing else in the batch changes a bit of it.

#include "attention.h"
#include "backend.h"
#include "check.h"
#include "cpu-backend.h"
#include "ggml-alloc.h"
#include "kernels.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

using namespace jina_reranker;

namespace {

constexpr float kScale = 0.11f;

struct Shape {
    int64_t   head_size;
    int64_t   n_heads;
    int64_t   n_kv_heads;
    ggml_type type;
};

// A sequence in the KV cache: its token i lies in cell cells[i]; those from begin on are in the batch.
struct Sequence {
    uint32_t             seed;  // of its numbers
    std::vector<int64_t> cells;
    int64_t              begin;
};

Sequence sequence(uint32_t seed, int64_t n_tokens, int64_t first_cell, int64_t begin = 0, int64_t step = 1) {
    Sequence result = { seed, {}, begin };
    for (int64_t i = 0; i < n_tokens; ++i) {
        result.cells.push_back(first_cell + i * step);
    }
    return result;
}

enum class Part : uint32_t { q, k, v };

// The numbers of one token, the same in every layout.
std::vector<float> numbers(const Sequence & of, size_t token, Part part, int64_t n) {
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

// What attention gives for the batch's tokens: [n_tokens][n_heads][head_size].
std::vector<float> attend(const Shape &                 shape,
                          const std::vector<Sequence> & sequences,
                          int64_t                       n_kv,
                          AttentionKernel               kernel,
                          int32_t                       n_threads) {
    int64_t n_tokens = 0;
    for (const Sequence & each : sequences) {
        n_tokens += static_cast<int64_t>(each.cells.size()) - each.begin;
    }
    const ggml_backend_ptr backend = cpu_backend(n_threads);

    const ggml_context_ptr context(ggml_init({ 16 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true }));
    ggml_context *         ctx  = context.get();
    // As llama.cpp lays them out: heads beside each other in a token, and seen head by head.
    ggml_tensor *          q    = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, shape.head_size, shape.n_heads, n_tokens);
    ggml_tensor *          k    = ggml_new_tensor_3d(ctx, shape.type, shape.head_size, shape.n_kv_heads, n_kv);
    ggml_tensor *          v    = ggml_new_tensor_3d(ctx, shape.type, shape.head_size, shape.n_kv_heads, n_kv);
    ggml_tensor *          mask = ggml_new_tensor_2d(ctx, GGML_TYPE_F16, n_kv, n_tokens);
    ggml_tensor * node = ggml_flash_attn_ext(ctx, ggml_permute(ctx, q, 0, 2, 1, 3), ggml_permute(ctx, k, 0, 2, 1, 3),
                                             ggml_permute(ctx, v, 0, 2, 1, 3), mask, kScale, 0.0f, 0.0f);
    const ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(ctx, backend.get()));
    ggml_cgraph *                 graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, node);

    // What no token of the batch may see would show.
    std::fill_n(static_cast<uint8_t *>(k->data), ggml_nbytes(k), uint8_t{ 0x3c });
    std::fill_n(static_cast<uint8_t *>(v->data), ggml_nbytes(v), uint8_t{ 0x3c });
    std::vector<ggml_fp16_t> seen(static_cast<size_t>(n_kv * n_tokens), ggml_fp32_to_fp16(-INFINITY));
    size_t                   row = 0;
    for (const Sequence & each : sequences) {
        for (size_t token = 0; token < each.cells.size(); ++token) {
            const auto cell   = static_cast<size_t>(each.cells[token]);
            const auto keys   = stored(numbers(each, token, Part::k, shape.head_size * shape.n_kv_heads), shape.type);
            const auto values = stored(numbers(each, token, Part::v, shape.head_size * shape.n_kv_heads), shape.type);
            std::memcpy(static_cast<uint8_t *>(k->data) + cell * k->nb[2], keys.data(), keys.size());
            std::memcpy(static_cast<uint8_t *>(v->data) + cell * v->nb[2], values.data(), values.size());
            if (static_cast<int64_t>(token) < each.begin) {
                continue;
            }
            const auto query = numbers(each, token, Part::q, shape.head_size * shape.n_heads);
            std::memcpy(static_cast<uint8_t *>(q->data) + row * q->nb[2], query.data(), q->nb[2]);
            for (size_t before = 0; before <= token; ++before) {
                seen[row * static_cast<size_t>(n_kv) + static_cast<size_t>(each.cells[before])] =
                    ggml_fp32_to_fp16(0.0f);
            }
            ++row;
        }
    }
    std::memcpy(mask->data, seen.data(), ggml_nbytes(mask));

    Turns     turns;
    Attention attention(n_threads, turns, kernel);
    CHECK(attention.replace(node));
    CHECK_EQUAL(static_cast<int>(node->op), static_cast<int>(GGML_OP_CUSTOM));
    CHECK_EQUAL(static_cast<int>(ggml_backend_graph_compute(backend.get(), graph)),
                static_cast<int>(GGML_STATUS_SUCCESS));
    std::vector<float> result(static_cast<size_t>(ggml_nelements(node)));
    std::memcpy(result.data(), node->data, ggml_nbytes(node));
    return result;
}

// The same for one token, in f64.
std::vector<double> expected(const Shape & shape, const Sequence & of, size_t token) {
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
            weights.push_back(std::exp(dot * static_cast<double>(kScale)));
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

void equals_a_plain_computation() {
    // One begins behind a prefix, one lies in scattered cells, one has a single token.
    const std::vector<Sequence> sequences = { sequence(1, 37, 0), sequence(2, 90, 40, 71), sequence(3, 20, 140, 0, 5),
                                              sequence(4, 1, 250) };
    for (const Shape & shape : shapes()) {
        for (const AttentionKernel kernel : attention_kernels(cpu_features())) {
            const auto got = attend(shape, sequences, 256, kernel, 2);
            size_t     at  = 0;
            for (const Sequence & each : sequences) {
                for (auto token = static_cast<size_t>(each.begin); token < each.cells.size(); ++token) {
                    for (const double number : expected(shape, each, token)) {
                        CHECK(std::abs(static_cast<double>(got[at]) - number) < 1e-5);
                        ++at;
                    }
                }
            }
            CHECK_EQUAL(at, got.size());
        }
    }
}

void gives_a_token_the_same_bits_in_any_batch_and_any_cells() {
    for (const Shape & shape : shapes()) {
        for (const AttentionKernel kernel : attention_kernels(cpu_features())) {
            const auto alone = attend(shape, { sequence(1, 75, 0) }, 256, kernel, 1);
            const auto beside =
                attend(shape, { sequence(2, 13, 3), sequence(1, 75, 101, 0, 2), sequence(3, 40, 20) }, 256, kernel, 3);
            const auto width = static_cast<size_t>(shape.head_size * shape.n_heads);
            CHECK(std::equal(alone.begin(), alone.end(), beside.begin() + static_cast<ptrdiff_t>(13 * width)));
            // In two steps, the second of which finds the first in the cache.
            const auto second = attend(shape, { sequence(1, 75, 9, 50) }, 128, kernel, 2);
            CHECK(std::equal(second.begin(), second.end(), alone.begin() + static_cast<ptrdiff_t>(50 * width)));
        }
    }
}

void gives_the_same_bits_with_any_number_of_threads() {
    const std::vector<Sequence> sequences = { sequence(1, 75, 0), sequence(2, 13, 100), sequence(3, 1, 120) };
    for (const Shape & shape : shapes()) {
        for (const AttentionKernel kernel : attention_kernels(cpu_features())) {
            const auto with_one = attend(shape, sequences, 256, kernel, 1);
            for (int32_t n_threads = 2; n_threads <= 8; ++n_threads) {
                CHECK(attend(shape, sequences, 256, kernel, n_threads) == with_one);
            }
        }
    }
}

// The other tests would pass without.
void has_a_kernel_for_every_processor() {
#if defined(__GNUC__)
    CHECK(!attention_kernels(cpu_features()).empty());
#endif
}

void leaves_what_it_does_not_know() {
    const ggml_context_ptr context(ggml_init({ 16 * ggml_tensor_overhead(), nullptr, true }));
    ggml_context *         ctx = context.get();
    ggml_tensor *          q   = ggml_new_tensor_3d(ctx, GGML_TYPE_F32, 64, 4, 2);
    ggml_tensor *          k   = ggml_new_tensor_3d(ctx, GGML_TYPE_F16, 64, 16, 2);
    Turns                  turns;
    Attention              attention(1, turns, attention_kernels(cpu_features()).back());
    ggml_tensor *          unmasked = ggml_flash_attn_ext(ctx, q, k, k, nullptr, kScale, 0.0f, 0.0f);
    CHECK(!attention.replace(unmasked));
    CHECK_EQUAL(static_cast<int>(unmasked->op), static_cast<int>(GGML_OP_FLASH_ATTN_EXT));
    ggml_tensor * other = ggml_add(ctx, q, q);
    CHECK(attention.replace(other));
    CHECK_EQUAL(static_cast<int>(other->op), static_cast<int>(GGML_OP_ADD));
}

}  // namespace

int main() {
    load_backends(JINA_RERANKER_LIBRARIES);
    return check::run({
        { "has a kernel for every processor", has_a_kernel_for_every_processor },
        { "equals a plain computation", equals_a_plain_computation },
        { "gives a token the same bits in any batch and any cells",
          gives_a_token_the_same_bits_in_any_batch_and_any_cells },
        { "gives the same bits with any number of threads", gives_the_same_bits_with_any_number_of_threads },
        { "leaves what it does not know", leaves_what_it_does_not_know },
    });
}
