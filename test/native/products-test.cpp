// The engine's products of packed weights and activations, computed by ggml's threads, against a plain f64 computation; and that
// nothing else in the batch changes a bit of it.

#include "backend.h"
#include "check.h"
#include "cpu-backend.h"
#include "ggml-alloc.h"
#include "kernels.h"
#include "products.h"
#include "weight-packing.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <tuple>
#include <vector>

using namespace jina_reranker;

namespace {

struct Shape {
    int64_t   n_in;
    int64_t   n_out;
    ggml_type type;
    bool      largest = false;  // every quant of a weight is the largest that there is
};

std::vector<float> numbers(uint32_t seed, int64_t n) {
    std::mt19937                    random(seed);
    std::normal_distribution<float> normal;
    std::vector<float>              values(static_cast<size_t>(n));
    std::generate(values.begin(), values.end(), [&] { return normal(random); });
    return values;
}

// As they lie in a file.
std::vector<uint8_t> weights_of(const Shape & shape) {
    const std::vector<float> values = numbers(7, shape.n_in * shape.n_out);
    std::vector<uint8_t>     bytes(ggml_row_size(shape.type, shape.n_in) * static_cast<size_t>(shape.n_out));
    ggml_quantize_chunk(shape.type, values.data(), bytes.data(), 0, shape.n_out, shape.n_in, nullptr);
    const size_t block_size = ggml_type_size(shape.type);
    for (size_t block = 0; shape.largest && block < bytes.size(); block += block_size) {
        // Scales come last in Q6_K, and first in the others; -128 is the largest quant of Q8_0.
        const size_t begin = shape.type == GGML_TYPE_Q6_K ? 0 : shape.type == GGML_TYPE_Q8_0 ? 2 : 16;
        const size_t end   = shape.type == GGML_TYPE_Q6_K ? block_size - 18 : block_size;
        std::memset(&bytes[block + begin], shape.type == GGML_TYPE_Q8_0 ? 0x80 : 0xff, end - begin);
    }
    return bytes;
}

std::vector<float> dequantized(const Shape & shape, const uint8_t * weights) {
    std::vector<float> row(static_cast<size_t>(shape.n_in));
    if (shape.type == GGML_TYPE_F32) {
        std::memcpy(row.data(), weights, row.size() * sizeof(float));
    } else {
        ggml_get_type_traits(shape.type)->to_float(weights, row.data(), shape.n_in);
    }
    return row;
}

// A token's activations; some blocks are small, some large, one is all zero.
std::vector<float> token(uint32_t seed, int64_t n_in) {
    std::vector<float> values = numbers(seed * 31 + 1, n_in);
    for (size_t i = 0; i < values.size(); ++i) {
        const size_t block = i / static_cast<size_t>(kMatMulBlock);
        values[i] *= block % 4 == 3 ? 0.0f : block % 4 == 2 ? 100.0f : 0.01f;
    }
    return values;
}

std::vector<std::vector<float>> tokens(uint32_t first_seed, size_t n, int64_t n_in) {
    std::vector<std::vector<float>> list;
    for (size_t i = 0; i < n; ++i) {
        list.push_back(token(first_seed + static_cast<uint32_t>(i), n_in));
    }
    return list;
}

// Two products of the same activations after each other, and one of their sum: [n_tokens][n_out] each.
struct Results {
    std::vector<float> first;
    std::vector<float> second;
    std::vector<float> of_other;
};

std::vector<float> data_of(const ggml_tensor & tensor) {
    std::vector<float> values(static_cast<size_t>(ggml_nelements(&tensor)));
    std::memcpy(values.data(), tensor.data, ggml_nbytes(&tensor));
    return values;
}

// Writes a matrix as weights_of() has it, packed.
void fill(ggml_tensor & weights, const Shape & shape) {
    const std::vector<uint8_t> bytes = weights_of(shape);
    std::memcpy(weights.data, bytes.data(), bytes.size());
    CHECK(can_pack(weights));
    pack(weights);
}

Results
multiply(const Shape & shape, const std::vector<std::vector<float>> & batch, MatMulKernel kernel, int32_t n_threads) {
    const ggml_backend_ptr backend = cpu_backend(n_threads);

    const ggml_context_ptr context(ggml_init({ 16 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true }));
    ggml_context *         ctx     = context.get();
    ggml_tensor *          weights = ggml_new_tensor_2d(ctx, shape.type, shape.n_in, shape.n_out);
    // Where weights lie decides who multiplies by them.
    const ggml_backend_buffer_ptr of_weights(ggml_backend_alloc_ctx_tensors(ctx, backend.get()));
    ggml_tensor *  input = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, shape.n_in, static_cast<int64_t>(batch.size()));
    ggml_tensor *  other = ggml_add(ctx, input, input);
    Products       products(kernel, n_threads);
    const Matrices matrices                = { { weights, true } };
    const std::vector<ggml_tensor *> nodes = { products.multiply(ctx, matrices, input),
                                               products.multiply(ctx, matrices, input),
                                               products.multiply(ctx, matrices, other) };
    const ggml_backend_buffer_ptr    buffer(ggml_backend_alloc_ctx_tensors(ctx, backend.get()));
    ggml_cgraph *                    graph = ggml_new_graph(ctx);
    for (ggml_tensor * node : nodes) {
        ggml_build_forward_expand(graph, node);
        CHECK_EQUAL(static_cast<int>(node->op), static_cast<int>(GGML_OP_CUSTOM));
    }
    fill(*weights, shape);
    for (size_t i = 0; i < batch.size(); ++i) {
        std::memcpy(static_cast<char *>(input->data) + i * input->nb[1], batch[i].data(), input->nb[1]);
    }
    CHECK_EQUAL(static_cast<int>(ggml_backend_graph_compute(backend.get(), graph)),
                static_cast<int>(GGML_STATUS_SUCCESS));
    return { data_of(*nodes[0]), data_of(*nodes[1]), data_of(*nodes[2]) };
}

// Activations that are rounded together; 0 = they are not.
size_t rounded_together(ggml_type weights) {
    return !ggml_is_quantized(weights) ? 0 : static_cast<size_t>(weights == GGML_TYPE_Q8_0 ? kQ8Block : kMatMulBlock);
}

float largest_of(const std::vector<float> & numbers, size_t first, size_t n) {
    float largest = 0.0f;
    for (size_t i = first; i < first + n; ++i) {
        largest = std::max(largest, std::abs(numbers[i]));
    }
    return largest;
}

// The same for one token, in f64, with its numbers rounded to 8 bits in blocks.
std::vector<double> expected(const Shape & shape, const std::vector<float> & activations) {
    const std::vector<uint8_t> bytes    = weights_of(shape);
    const size_t               row_size = ggml_row_size(shape.type, shape.n_in);
    std::vector<double>        rounded(activations.begin(), activations.end());
    const size_t               n = rounded_together(shape.type);
    for (size_t block = 0; n > 0 && block < activations.size(); block += n) {
        const float largest = largest_of(activations, block, n);
        for (size_t i = block; i < block + n; ++i) {
            rounded[i] = largest == 0.0f ? 0.0 :
                                           std::nearbyint(static_cast<double>(activations[i] * (127.0f / largest))) *
                                               static_cast<double>(largest / 127.0f);
        }
    }
    std::vector<double> sums;
    std::vector<float>  row;
    for (int64_t out = 0; out < shape.n_out; ++out) {
        row        = dequantized(shape, bytes.data() + static_cast<size_t>(out) * row_size);
        double sum = 0.0;
        for (size_t i = 0; i < row.size(); ++i) {
            sum += static_cast<double>(row[i]) * rounded[i];
        }
        sums.push_back(sum);
    }
    return sums;
}

const std::vector<Shape> & shapes() {
    static const std::vector<Shape> all = {
        { 1024, 48, GGML_TYPE_Q4_K }, { 1536, 160, GGML_TYPE_Q5_K }, { 1024, 32, GGML_TYPE_Q6_K },
        { 1280, 32, GGML_TYPE_Q8_0 }, { 512, 48, GGML_TYPE_F16 },    { 768, 32, GGML_TYPE_BF16 },
        { 512, 16, GGML_TYPE_F32 },   { 256, 16, GGML_TYPE_Q4_K },
    };
    return all;
}

void equals_a_plain_computation(Shape shape, MatMulKernel kernel) {
    for (const size_t n_tokens : { size_t{ 1 }, size_t{ 7 }, size_t{ 8 }, size_t{ 21 } }) {
        const auto   batch = tokens(1, n_tokens, shape.n_in);
        const auto   got   = multiply(shape, batch, kernel, 2);
        const double scale = std::sqrt(static_cast<double>(shape.n_in)) * 100.0;
        size_t       at    = 0;
        for (const auto & activations : batch) {
            for (const double number : expected(shape, activations)) {
                CHECK(std::abs(static_cast<double>(got.first[at]) - number) < 1e-6 * scale);
                CHECK(std::abs(static_cast<double>(got.of_other[at]) - 2.0 * number) < 2e-6 * scale);
                ++at;
            }
        }
        CHECK_EQUAL(at, got.first.size());
        CHECK(got.first == got.second);
    }
}

void gives_a_token_the_same_bits_in_any_batch(Shape shape, MatMulKernel kernel) {
    const auto width  = static_cast<ptrdiff_t>(shape.n_out);
    const auto all    = multiply(shape, tokens(1, 29, shape.n_in), kernel, 3).first;
    const auto others = tokens(90, 6, shape.n_in);
    for (const size_t n_tokens : { size_t{ 1 }, size_t{ 3 }, size_t{ 13 } }) {
        auto batch = others;
        for (auto & each : tokens(1, n_tokens, shape.n_in)) {
            batch.push_back(each);
        }
        const auto beside = multiply(shape, batch, kernel, 1).first;
        CHECK(std::equal(beside.begin() + 6 * width, beside.end(), all.begin()));
    }
}

void passes_on_what_is_not_finite(Shape shape, MatMulKernel kernel) {
    for (const float wrong : { std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity() }) {
        auto batch     = tokens(1, 3, shape.n_in);
        batch[1][200]  = wrong;
        const auto got = multiply(shape, batch, kernel, 2).first;
        for (size_t i = 0; i < got.size(); ++i) {
            CHECK_EQUAL(std::isfinite(got[i]), i / static_cast<size_t>(shape.n_out) != 1);
        }
    }
}

void holds_the_largest_sums(Shape shape, MatMulKernel kernel) {
    if (!ggml_is_quantized(shape.type)) {
        return;
    }
    shape.largest = true;
    for (const float number : { 127.0f, -127.0f }) {
        const std::vector<float> activations(static_cast<size_t>(shape.n_in), number);
        const auto               got  = multiply(shape, { activations }, kernel, 1).first;
        const auto               want = expected(shape, activations);
        for (size_t i = 0; i < got.size(); ++i) {
            CHECK(std::abs(static_cast<double>(got[i]) - want[i]) < 1e-5 * 127.0 * static_cast<double>(shape.n_in));
        }
    }
}

void gives_the_same_bits_with_any_number_of_threads(Shape shape, MatMulKernel kernel) {
    const auto batch    = tokens(1, 11, shape.n_in);
    const auto with_one = multiply(shape, batch, kernel, 1);
    for (int32_t n_threads = 2; n_threads <= 8; ++n_threads) {
        const auto got = multiply(shape, batch, kernel, n_threads);
        CHECK(got.first == with_one.first && got.second == with_one.second && got.of_other == with_one.of_other);
    }
}

// The bits that every kernel has to give. K-quants: integers are summed over a block, the products with scales and those of mins
// apart; floats are rounded in this order.
float specified_of_k_quants(
    ggml_type type, const uint8_t * block, const int32_t * quants, float d_of_input, float sum) {
    const auto f16 = [&](size_t at) {
        ggml_fp16_t bits = 0;
        std::memcpy(&bits, block + at, sizeof(bits));
        return ggml_fp16_to_fp32(bits);
    };
    const bool   q6k      = type == GGML_TYPE_Q6_K;
    const size_t n_quants = q6k ? 16 : 32;
    const float  d        = f16(q6k ? 208 : 0);
    const float  dmin     = q6k ? d : f16(2);
    int32_t      products = 0;
    int32_t      mins     = 0;
    for (size_t j = 0; j < static_cast<size_t>(kMatMulBlock) / n_quants; ++j) {
        const uint8_t * packed = block + 4;
        const int       scale  = q6k   ? static_cast<int8_t>(block[192 + j]) :
                                 j < 4 ? packed[j] & 63 :
                                         (packed[j + 4] & 15) | (packed[j - 4] >> 6 << 4);
        const int min = q6k ? scale * 32 : j < 4 ? packed[j + 4] & 63 : (packed[j + 4] >> 4) | (packed[j] >> 6 << 4);
        for (size_t i = 0; i < n_quants; ++i) {
            const size_t at    = j * n_quants + i;
            int          quant = 0;
            if (q6k) {
                const size_t in_half = at % 128;
                const int    ql      = block[at / 128 * 64 + in_half % 64];
                const int    qh      = block[128 + at / 128 * 32 + in_half % 32];
                quant                = (in_half < 64 ? ql & 15 : ql >> 4) | (qh >> in_half / 32 * 2 & 3) << 4;
            } else {
                const uint8_t * qs   = block + (type == GGML_TYPE_Q5_K ? 48 : 16);
                const int       byte = qs[at / 64 * 32 + at % 32];
                const int       high = type == GGML_TYPE_Q5_K ? block[16 + at % 32] >> j & 1 : 0;
                quant                = (at % 64 < 32 ? byte & 15 : byte >> 4) | high << 4;
            }
            products += scale * quant * quants[at];
            mins += min * quants[at];
        }
    }
    const float product = std::fma(static_cast<float>(products), d, -(static_cast<float>(mins) * dmin));
    return std::fma(product, d_of_input, sum);
}

std::vector<float> specified(const Shape & shape, const std::vector<float> & activations) {
    const std::vector<uint8_t> bytes    = weights_of(shape);
    const auto                 n_in     = static_cast<size_t>(shape.n_in);
    const size_t               row_size = ggml_row_size(shape.type, shape.n_in);
    const auto                 of_block = static_cast<size_t>(kMatMulBlock);
    const size_t               n        = rounded_together(shape.type);
    std::vector<float>         row;
    std::vector<float>         results;
    for (size_t out = 0; out < static_cast<size_t>(shape.n_out); ++out) {
        const uint8_t * weights = bytes.data() + out * row_size;
        row                     = dequantized(shape, weights);
        float result            = 0.0f;
        if (n == 0) {  // floats: the sum of each block, in order, is added
            for (size_t first = 0; first < n_in; first += of_block) {
                float sum = 0.0f;
                for (size_t i = first; i < first + of_block; ++i) {
                    sum = std::fma(row[i], activations[i], sum);
                }
                result += sum;
            }
        }
        for (size_t first = 0; n > 0 && first < n_in; first += n) {
            const float          largest = largest_of(activations, first, n);
            const float          inverse = largest > 1e-30f ? 127.0f / largest : 0.0f;
            std::vector<int32_t> quants;
            for (size_t i = first; i < first + n; ++i) {
                quants.push_back(static_cast<int32_t>(std::nearbyint(activations[i] * inverse)));
            }
            const uint8_t * block = weights + ggml_row_size(shape.type, static_cast<int64_t>(first));
            if (shape.type == GGML_TYPE_Q8_0) {
                ggml_fp16_t d = 0;
                std::memcpy(&d, block, sizeof(d));
                int32_t product = 0;
                for (size_t i = 0; i < n; ++i) {
                    product += static_cast<int8_t>(block[2 + i]) * quants[i];
                }
                result = std::fma(static_cast<float>(product) * ggml_fp16_to_fp32(d), largest / 127.0f, result);
            } else {
                result = specified_of_k_quants(shape.type, block, quants.data(), largest / 127.0f, result);
            }
        }
        results.push_back(result);
    }
    return results;
}

// Compared with what is specified and not with another kernel: a processor may have a single one.
void is_the_same_on_every_processor(Shape shape, MatMulKernel kernel) {
    const auto batch = tokens(5, 11, shape.n_in);
    const auto got   = multiply(shape, batch, kernel, 2).first;
    for (size_t i = 0; i < batch.size(); ++i) {
        const auto want = specified(shape, batch[i]);
        CHECK(std::equal(want.begin(), want.end(), got.begin() + static_cast<ptrdiff_t>(i * want.size())));
    }
}

std::function<void()> for_every_kernel(void (*test)(Shape shape, MatMulKernel kernel)) {
    return [test] {
        for (const MatMulKernel kernel : matmul_kernels(cpu_features())) {
            for (const Shape & shape : shapes()) {
                test(shape, kernel);
            }
        }
    };
}

// As the processor itself says it, not as the kernels' table has it.
bool has_instructions() {
#if defined(__GNUC__) && defined(__x86_64__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

void has_blocks_of_ggmls_sizes() {
    const auto rows = static_cast<size_t>(kMatMulRows);
    for (const auto & [type, n_bytes, n_weights] : { std::tuple{ GGML_TYPE_Q4_K, sizeof(PackedQ4K), kMatMulBlock },
                                                     std::tuple{ GGML_TYPE_Q5_K, sizeof(PackedQ5K), kMatMulBlock },
                                                     std::tuple{ GGML_TYPE_Q6_K, sizeof(PackedQ6K), kMatMulBlock },
                                                     std::tuple{ GGML_TYPE_Q8_0, sizeof(PackedQ80), kQ8Block } }) {
        CHECK_EQUAL(n_bytes, rows * ggml_type_size(type));
        CHECK_EQUAL(n_weights, ggml_blck_size(type));
    }
}

// q, k and v, or gate and up: several matrices, of several types, in one node.
void multiplies_by_all(const std::vector<Shape> & all, ggml_op last) {
    const MatMulKernel     kernel  = matmul_kernels(cpu_features()).back();
    const ggml_backend_ptr backend = cpu_backend(3);
    const ggml_context_ptr context(ggml_init({ 32 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true }));
    ggml_context *         ctx   = context.get();
    const auto             batch = tokens(1, 5, 512);
    Matrices               weights;
    for (const Shape & shape : all) {
        weights.push_back({ ggml_new_tensor_2d(ctx, shape.type, shape.n_in, shape.n_out), true });
    }
    const ggml_backend_buffer_ptr of_weights(ggml_backend_alloc_ctx_tensors(ctx, backend.get()));
    ggml_tensor *                 input = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 512, 5);
    Products                      products(kernel, 3);
    ggml_tensor *                 node = products.multiply(ctx, weights, input);
    const ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(ctx, backend.get()));
    ggml_cgraph *                 graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, node);
    for (size_t i = 0; i < all.size(); ++i) {
        fill(*weights[i].tensor, all[i]);
    }
    CHECK_EQUAL(static_cast<int>(node->op), static_cast<int>(last));
    for (size_t i = 0; i < batch.size(); ++i) {
        std::memcpy(static_cast<char *>(input->data) + i * input->nb[1], batch[i].data(), input->nb[1]);
    }
    CHECK_EQUAL(static_cast<int>(ggml_backend_graph_compute(backend.get(), graph)),
                static_cast<int>(GGML_STATUS_SUCCESS));
    const std::vector<float> got   = data_of(*node);
    int64_t                  first = 0;
    for (const Shape & shape : all) {
        const auto want = multiply(shape, batch, kernel, 1).first;
        for (size_t i = 0; i < batch.size(); ++i) {
            const auto row = want.begin() + static_cast<ptrdiff_t>(i) * shape.n_out;
            CHECK(std::equal(row, row + shape.n_out, got.begin() + static_cast<ptrdiff_t>(i) * node->ne[0] + first));
        }
        first += shape.n_out;
    }
    CHECK_EQUAL(first, node->ne[0]);
}

void multiplies_by_several_matrices_at_once() {
    const Shape q4_k{ 512, 48, GGML_TYPE_Q4_K };
    const Shape q6_k{ 512, 32, GGML_TYPE_Q6_K };
    const Shape q8_0{ 512, 16, GGML_TYPE_Q8_0 };
    multiplies_by_all({ q4_k, q6_k, q4_k }, GGML_OP_CUSTOM);
    // Their activations are rounded otherwise, or not at all.
    multiplies_by_all({ q4_k, q8_0, { 512, 32, GGML_TYPE_F16 } }, GGML_OP_CONCAT);
}

// ggml's product on the same backend; it rounds activations of K-quants as ours, and leaves those of floats.
std::vector<float> by_ggml(const Shape & shape, const std::vector<std::vector<float>> & batch) {
    const ggml_backend_ptr backend = cpu_backend(2);
    const ggml_context_ptr context(ggml_init({ 16 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true }));
    ggml_context *         ctx     = context.get();
    ggml_tensor *          weights = ggml_new_tensor_2d(ctx, shape.type, shape.n_in, shape.n_out);
    ggml_tensor * input = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, shape.n_in, static_cast<int64_t>(batch.size()));
    ggml_tensor * node  = ggml_mul_mat(ctx, weights, input);
    const ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(ctx, backend.get()));
    ggml_cgraph *                 graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, node);
    const std::vector<uint8_t> bytes = weights_of(shape);
    std::memcpy(weights->data, bytes.data(), bytes.size());
    for (size_t i = 0; i < batch.size(); ++i) {
        std::memcpy(static_cast<char *>(input->data) + i * input->nb[1], batch[i].data(), input->nb[1]);
    }
    CHECK_EQUAL(static_cast<int>(ggml_backend_graph_compute(backend.get(), graph)),
                static_cast<int>(GGML_STATUS_SUCCESS));
    return data_of(*node);
}

// Up to three slices of tokens, panels that no task's four divide, and more threads than tasks.
void gives_what_ggml_gives_on_random_shapes() {
    std::mt19937 random(1);
    const auto   up_to = [&](int64_t n) {
        return static_cast<int64_t>(random() % static_cast<uint64_t>(n)) + 1;
    };
    const std::array types = { GGML_TYPE_Q4_K, GGML_TYPE_Q5_K, GGML_TYPE_Q6_K, GGML_TYPE_Q8_0,
                               GGML_TYPE_F16,  GGML_TYPE_BF16, GGML_TYPE_F32 };
    for (size_t i = 0; i < 3 * types.size(); ++i) {
        const Shape shape{ up_to(6) * kMatMulBlock, up_to(12) * kMatMulRows, types[i % types.size()] };
        std::vector<std::vector<float>> batch;
        const int64_t                   n_tokens = up_to(300);
        for (int64_t token = 0; token < n_tokens; ++token) {
            batch.push_back(numbers(static_cast<uint32_t>(random()), shape.n_in));
        }
        const auto   kernel = matmul_kernels(cpu_features()).back();
        const auto   got    = multiply(shape, batch, kernel, static_cast<int32_t>(up_to(4))).first;
        const auto   want   = by_ggml(shape, batch);
        // Of sums of n_in products of normal numbers; rounding to 8 bits adds less than 1 % to each.
        const double most = std::sqrt(static_cast<double>(shape.n_in)) * (ggml_is_quantized(shape.type) ? 0.05 : 0.02);
        CHECK_EQUAL(got.size(), want.size());
        for (size_t at = 0; at < got.size(); ++at) {
            CHECK(std::abs(static_cast<double>(got[at]) - static_cast<double>(want[at])) < most);
        }
    }
}

void packs_whole_panels_of_whole_blocks() {
    const ggml_context_ptr context(ggml_init({ 16 * ggml_tensor_overhead(), nullptr, true }));
    const auto             packable = [&](ggml_type type, int64_t n_in, int64_t n_out) {
        return can_pack(*ggml_new_tensor_2d(context.get(), type, n_in, n_out));
    };
    CHECK(packable(GGML_TYPE_Q4_K, 512, 16));
    CHECK(packable(GGML_TYPE_F32, 256, 48));
    CHECK(!packable(GGML_TYPE_Q4_K, 512, 24));
    CHECK(!packable(GGML_TYPE_Q8_0, 288, 16));
    CHECK(!packable(GGML_TYPE_Q4_0, 512, 16));
}

void leaves_other_weights_to_ggml() {
    const ggml_context_ptr context(ggml_init({ 16 * ggml_tensor_overhead(), nullptr, true }));
    ggml_context *         ctx    = context.get();
    ggml_tensor *          matrix = ggml_new_tensor_2d(ctx, GGML_TYPE_Q4_K, 512, 16);
    ggml_tensor *          input  = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 512, 4);
    Products               products(matmul_kernels(cpu_features()).back(), 1);
    CHECK_EQUAL(static_cast<int>(products.multiply(ctx, { { matrix, false } }, input)->op),
                static_cast<int>(GGML_OP_MUL_MAT));
}

}  // namespace

int main() {
    load_backends(JINA_RERANKER_LIBRARIES);
    if (!has_instructions()) {
        std::cout << "not tested: there are no products of our own for this processor\n";
        return matmul_kernels(cpu_features()).empty() ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return check::run({
        { "has a kernel where there are the instructions for it",
          [] {
              CHECK(!matmul_kernels(cpu_features()).empty());
          } },
        { "has blocks of ggml's sizes", has_blocks_of_ggmls_sizes },
        { "equals a plain computation", for_every_kernel(equals_a_plain_computation) },
        { "gives a token the same bits in any batch", for_every_kernel(gives_a_token_the_same_bits_in_any_batch) },
        { "passes on what is not finite", for_every_kernel(passes_on_what_is_not_finite) },
        { "gives the same bits with any number of threads",
          for_every_kernel(gives_the_same_bits_with_any_number_of_threads) },
        { "is the same on every processor", for_every_kernel(is_the_same_on_every_processor) },
        { "holds the largest sums", for_every_kernel(holds_the_largest_sums) },
        { "multiplies by several matrices at once", multiplies_by_several_matrices_at_once },
        { "gives what ggml gives on random shapes", gives_what_ggml_gives_on_random_shapes },
        { "packs whole panels of whole blocks", packs_whole_panels_of_whole_blocks },
        { "leaves other weights to ggml", leaves_other_weights_to_ggml },
    });
}
