// The engine's products of quantized weights and activations, computed by ggml's threads, against a plain f64
// computation; and that nothing else in the batch changes a bit of it.

#include "backend.h"
#include "check.h"
#include "cpu-backend.h"
#include "ggml-alloc.h"
#include "kernels.h"
#include "matmul-blocks.h"
#include "products.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
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
        // Scales come last in Q6_K, and first in the others.
        const size_t begin = shape.type == GGML_TYPE_Q6_K ? 0 : 16;
        const size_t end   = shape.type == GGML_TYPE_Q6_K ? block_size - 18 : block_size;
        std::memset(&bytes[block + begin], 255, end - begin);
    }
    return bytes;
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

Results
multiply(const Shape & shape, const std::vector<std::vector<float>> & batch, MatMulKernel kernel, int32_t n_threads) {
    const ggml_backend_ptr backend = cpu_backend(n_threads);

    const ggml_context_ptr context(ggml_init({ 16 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true }));
    ggml_context *         ctx     = context.get();
    ggml_tensor *          weights = ggml_new_tensor_2d(ctx, shape.type, shape.n_in, shape.n_out);
    // Where weights lie decides who multiplies by them.
    const ggml_backend_buffer_ptr of_weights(ggml_backend_alloc_ctx_tensors(ctx, backend.get()));
    ggml_tensor * input = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, shape.n_in, static_cast<int64_t>(batch.size()));
    ggml_tensor * other = ggml_add(ctx, input, input);
    Products      products(kernel, n_threads);
    CHECK(products.is_own({ weights }));
    const std::vector<ggml_tensor *> nodes = { products.multiply(ctx, { weights }, input),
                                               products.multiply(ctx, { weights }, input),
                                               products.multiply(ctx, { weights }, other) };
    const ggml_backend_buffer_ptr    buffer(ggml_backend_alloc_ctx_tensors(ctx, backend.get()));
    ggml_cgraph *                    graph = ggml_new_graph(ctx);
    for (ggml_tensor * node : nodes) {
        ggml_build_forward_expand(graph, node);
        CHECK_EQUAL(static_cast<int>(node->op), static_cast<int>(GGML_OP_CUSTOM));
    }
    const std::vector<uint8_t> bytes = weights_of(shape);
    std::memcpy(weights->data, bytes.data(), bytes.size());
    for (size_t i = 0; i < batch.size(); ++i) {
        std::memcpy(static_cast<char *>(input->data) + i * input->nb[1], batch[i].data(), input->nb[1]);
    }
    CHECK_EQUAL(static_cast<int>(ggml_backend_graph_compute(backend.get(), graph)),
                static_cast<int>(GGML_STATUS_SUCCESS));
    return { data_of(*nodes[0]), data_of(*nodes[1]), data_of(*nodes[2]) };
}

// The same for one token, in f64, with its numbers rounded to 8 bits in blocks.
std::vector<double> expected(const Shape & shape, const std::vector<float> & activations) {
    const std::vector<uint8_t> bytes    = weights_of(shape);
    const size_t               row_size = ggml_row_size(shape.type, shape.n_in);
    std::vector<double>        rounded(activations.size());
    for (size_t block = 0; block < activations.size(); block += static_cast<size_t>(kMatMulBlock)) {
        float largest = 0.0f;
        for (size_t i = block; i < block + static_cast<size_t>(kMatMulBlock); ++i) {
            largest = std::max(largest, std::abs(activations[i]));
        }
        for (size_t i = block; largest > 0.0f && i < block + static_cast<size_t>(kMatMulBlock); ++i) {
            rounded[i] = std::nearbyint(static_cast<double>(activations[i] * (127.0f / largest))) *
                         static_cast<double>(largest / 127.0f);
        }
    }
    std::vector<double> sums;
    std::vector<float>  row(activations.size());
    for (int64_t out = 0; out < shape.n_out; ++out) {
        ggml_get_type_traits(shape.type)
            ->to_float(bytes.data() + static_cast<size_t>(out) * row_size, row.data(), shape.n_in);
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
        { 1024, 48, GGML_TYPE_Q4_K },
        { 1536, 40, GGML_TYPE_Q5_K },
        { 1024, 33, GGML_TYPE_Q6_K },
        { 256, 3, GGML_TYPE_Q4_K },
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

// What a sub-block's quants are multiplied by and lessened by, read from the bytes of the file.
struct SubBlock {
    float scale;
    float min;
};

SubBlock sub_block(ggml_type type, const uint8_t * block, size_t j) {
    const auto f16 = [&](size_t at) {
        ggml_fp16_t bits = 0;
        std::memcpy(&bits, block + at, sizeof(bits));
        return ggml_fp16_to_fp32(bits);
    };
    if (type == GGML_TYPE_Q6_K) {
        const float scale = f16(208) * static_cast<float>(static_cast<int8_t>(block[192 + j]));
        return { scale, scale * 32.0f };
    }
    const uint8_t * packed = block + 4;
    const int       scale  = j < 4 ? packed[j] & 63 : (packed[j + 4] & 15) | (packed[j - 4] >> 6 << 4);
    const int       min    = j < 4 ? packed[j + 4] & 63 : (packed[j + 4] >> 4) | (packed[j] >> 6 << 4);
    return { f16(0) * static_cast<float>(scale), f16(2) * static_cast<float>(min) };
}

// The bits that every kernel has to give: integers are summed sub-block by sub-block, and floats are rounded in this order.
std::vector<float> specified(const Shape & shape, const std::vector<float> & activations) {
    const std::vector<uint8_t> bytes    = weights_of(shape);
    const auto                 n_in     = static_cast<size_t>(shape.n_in);
    const auto                 of_block = static_cast<size_t>(kMatMulBlock);
    const size_t               n_quants = shape.type == GGML_TYPE_Q6_K ? 16 : 32;
    std::vector<float>         row(n_in);
    std::vector<float>         results;
    for (size_t out = 0; out < static_cast<size_t>(shape.n_out); ++out) {
        const uint8_t * weights = bytes.data() + out * ggml_row_size(shape.type, shape.n_in);
        ggml_get_type_traits(shape.type)->to_float(weights, row.data(), shape.n_in);
        float result = 0.0f;
        for (size_t first = 0; first < n_in; first += of_block) {
            float largest = 0.0f;
            for (size_t i = first; i < first + of_block; ++i) {
                largest = std::max(largest, std::abs(activations[i]));
            }
            const float inverse = largest > 1e-30f ? 127.0f / largest : 0.0f;
            float       sum     = 0.0f;
            for (size_t j = 0; j < of_block / n_quants; ++j) {
                const uint8_t * block   = weights + first / of_block * ggml_type_size(shape.type);
                const auto [scale, min] = sub_block(shape.type, block, j);
                int32_t product         = 0;
                int32_t bsum            = 0;
                for (size_t i = first + j * n_quants; i < first + (j + 1) * n_quants; ++i) {
                    const auto input = static_cast<int32_t>(std::nearbyint(activations[i] * inverse));
                    const auto quant = scale == 0.0f ? 0.0f : std::nearbyint((row[i] + min) / scale);
                    product += static_cast<int32_t>(quant) * input;
                    bsum += input;
                }
                sum = std::fma(static_cast<float>(product), scale, sum);
                sum = std::fma(-min, static_cast<float>(bsum), sum);
            }
            result = std::fma(sum, largest / 127.0f, result);
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
    for (const auto & [type, n_bytes] :
         { std::pair{ GGML_TYPE_Q4_K, sizeof(BlockQ4K) }, std::pair{ GGML_TYPE_Q5_K, sizeof(BlockQ5K) },
           std::pair{ GGML_TYPE_Q6_K, sizeof(BlockQ6K) } }) {
        CHECK_EQUAL(n_bytes, ggml_type_size(type));
        CHECK_EQUAL(kMatMulBlock, ggml_blck_size(type));
    }
}

// q, k and v, or gate and up: several matrices, of several types, in one node.
void multiplies_by_several_matrices_at_once() {
    const MatMulKernel     kernel  = matmul_kernels(cpu_features()).back();
    const ggml_backend_ptr backend = cpu_backend(3);
    const ggml_context_ptr context(ggml_init({ 16 * ggml_tensor_overhead() + ggml_graph_overhead(), nullptr, true }));
    ggml_context *         ctx   = context.get();
    const std::array       all   = { Shape{ 512, 48, GGML_TYPE_Q4_K }, Shape{ 512, 33, GGML_TYPE_Q6_K },
                                     Shape{ 512, 7, GGML_TYPE_Q4_K } };
    const auto             batch = tokens(1, 5, 512);
    Matrices               weights;
    for (const Shape & shape : all) {
        weights.push_back(ggml_new_tensor_2d(ctx, shape.type, shape.n_in, shape.n_out));
    }
    const ggml_backend_buffer_ptr of_weights(ggml_backend_alloc_ctx_tensors(ctx, backend.get()));
    ggml_tensor *                 input = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 512, 5);
    Products                      products(kernel, 3);
    ggml_tensor *                 node = products.multiply(ctx, weights, input);
    const ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(ctx, backend.get()));
    ggml_cgraph *                 graph = ggml_new_graph(ctx);
    ggml_build_forward_expand(graph, node);
    for (size_t i = 0; i < all.size(); ++i) {
        const std::vector<uint8_t> bytes = weights_of(all[i]);
        std::memcpy(weights[i]->data, bytes.data(), bytes.size());
    }
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

void leaves_other_weights_to_ggml() {
    const ggml_backend_ptr        backend = cpu_backend(1);
    const ggml_context_ptr        context(ggml_init({ 16 * ggml_tensor_overhead(), nullptr, true }));
    ggml_context *                ctx  = context.get();
    ggml_tensor *                 q8_0 = ggml_new_tensor_2d(ctx, GGML_TYPE_Q8_0, 512, 8);
    ggml_tensor *                 q4_k = ggml_new_tensor_2d(ctx, GGML_TYPE_Q4_K, 512, 8);
    const ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(ctx, backend.get()));
    ggml_tensor *                 elsewhere = ggml_new_tensor_2d(ctx, GGML_TYPE_Q4_K, 512, 8);  // in no memory of a CPU
    ggml_tensor *                 input     = ggml_new_tensor_2d(ctx, GGML_TYPE_F32, 512, 4);
    Products                      own(matmul_kernels(cpu_features()).back(), 1);
    Products                      without(std::nullopt, 1);
    CHECK_EQUAL(static_cast<int>(own.multiply(ctx, { q8_0 }, input)->op), static_cast<int>(GGML_OP_MUL_MAT));
    CHECK_EQUAL(static_cast<int>(own.multiply(ctx, { elsewhere }, input)->op), static_cast<int>(GGML_OP_MUL_MAT));
    CHECK_EQUAL(static_cast<int>(without.multiply(ctx, { q4_k }, input)->op), static_cast<int>(GGML_OP_MUL_MAT));
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
        { "leaves other weights to ggml", leaves_other_weights_to_ggml },
    });
}
