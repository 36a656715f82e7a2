// Measures the machine's limit, with the backend libraries and the number of threads of the engine: the operations a second of
// ggml in one large product of F32 and of F16 weights, and those of the instructions that multiply bytes, all in registers.
// Prints the best of several times for each type as JSON.
//
//     matmul-peak LIBRARIES N_THREADS N_REPEATS [gpu]

#include "ggml-backend.h"
#include "ggml-cpp.h"
#include "ggml.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>
#if defined(__GNUC__) && defined(__x86_64__)
#    include <immintrin.h>
#endif

namespace {

// The product of the widest layer of jina-reranker-m0 and a full batch.
constexpr int64_t n_inputs  = 1536;
constexpr int64_t n_outputs = 8960;

std::vector<float> random_numbers(int64_t count) {
    std::mt19937                          generator(1);
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<float>                    values(static_cast<size_t>(count));
    for (float & value : values) {
        value = uniform(generator);
    }
    return values;
}

void set_weights(ggml_tensor * weights, const std::vector<float> & values) {
    if (weights->type == GGML_TYPE_F32) {
        ggml_backend_tensor_set(weights, values.data(), 0, ggml_nbytes(weights));
        return;
    }
    std::vector<uint8_t> converted(ggml_nbytes(weights));
    ggml_quantize_chunk(weights->type, values.data(), converted.data(), 0, n_outputs, n_inputs, nullptr);
    ggml_backend_tensor_set(weights, converted.data(), 0, converted.size());
}

// Operations a second of the fastest product of n_repeats.
double best_rate(ggml_backend_t backend, ggml_type type, int64_t n_columns, int n_repeats) {
    constexpr size_t              n_tensors = 8;
    const ggml_init_params        params{ ggml_tensor_overhead() * n_tensors + ggml_graph_overhead(), nullptr, true };
    const ggml_context_ptr        context(ggml_init(params));
    ggml_tensor *                 weights = ggml_new_tensor_2d(context.get(), type, n_inputs, n_outputs);
    ggml_tensor *                 columns = ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, n_inputs, n_columns);
    ggml_tensor *                 product = ggml_mul_mat(context.get(), weights, columns);
    ggml_cgraph *                 graph   = ggml_new_graph(context.get());
    const ggml_backend_buffer_ptr buffer(ggml_backend_alloc_ctx_tensors(context.get(), backend));
    if (!buffer) {
        return 0;
    }
    ggml_build_forward_expand(graph, product);
    set_weights(weights, random_numbers(n_inputs * n_outputs));
    ggml_backend_tensor_set(columns, random_numbers(n_inputs * n_columns).data(), 0, ggml_nbytes(columns));

    double best = 0;
    // The first product also wakes threads and fills buffers, so it is not timed.
    for (int repeat = 0; repeat <= n_repeats; ++repeat) {
        const auto start = std::chrono::steady_clock::now();
        if (ggml_backend_graph_compute(backend, graph) != GGML_STATUS_SUCCESS) {
            return 0;
        }
        ggml_backend_synchronize(backend);
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
        const double operations = 2.0 * static_cast<double>(n_inputs) * static_cast<double>(n_outputs * n_columns);
        if (repeat > 0) {
            best = std::max(best, operations / elapsed.count());
        }
    }
    return best;
}

#if defined(__GNUC__) && defined(__x86_64__)
constexpr int64_t n_turns = 20'000'000;  // of a loop; a few hundredths of a second

// Each returns the operations that it did. The weights change in every turn as far as the compiler can tell.
using MultiplyBytes = int64_t (*)();

// AVX2 has to add up in 16 bits what it multiplied: two instructions.
__attribute__((target("avx2"))) int64_t multiply_bytes_avx2() {
    __m256i weights = _mm256_set1_epi8(3);
    __m256i a       = _mm256_setzero_si256();
    __m256i b = a, c = a, d = a, e = a, f = a, g = a, h = a;
    for (int64_t turn = 0; turn < n_turns; ++turn) {
        asm volatile("" : "+x"(weights));
        const auto add = [&](__m256i sums) __attribute__((target("avx2"))) {
            // The compiler would compute equal products once.
            __m256i products;
            asm volatile("vpmaddubsw %1, %1, %0" : "=x"(products) : "x"(weights));
            return _mm256_add_epi16(sums, products);
        };
        a = add(a), b = add(b), c = add(c), d = add(d), e = add(e), f = add(f), g = add(g), h = add(h);
    }
    asm volatile("" ::"x"(a), "x"(b), "x"(c), "x"(d), "x"(e), "x"(f), "x"(g), "x"(h));
    return n_turns * 8 * 32 * 2;
}

__attribute__((target("avx512f,avx512vnni"))) int64_t multiply_bytes_avx512vnni() {
    __m512i weights = _mm512_set1_epi8(3);
    __m512i a       = _mm512_setzero_si512();
    __m512i b = a, c = a, d = a, e = a, f = a, g = a, h = a, i = a, j = a, k = a, l = a;
    for (int64_t turn = 0; turn < n_turns; ++turn) {
        asm volatile("" : "+v"(weights));
        a = _mm512_dpbusd_epi32(a, weights, weights), b = _mm512_dpbusd_epi32(b, weights, weights);
        c = _mm512_dpbusd_epi32(c, weights, weights), d = _mm512_dpbusd_epi32(d, weights, weights);
        e = _mm512_dpbusd_epi32(e, weights, weights), f = _mm512_dpbusd_epi32(f, weights, weights);
        g = _mm512_dpbusd_epi32(g, weights, weights), h = _mm512_dpbusd_epi32(h, weights, weights);
        i = _mm512_dpbusd_epi32(i, weights, weights), j = _mm512_dpbusd_epi32(j, weights, weights);
        k = _mm512_dpbusd_epi32(k, weights, weights), l = _mm512_dpbusd_epi32(l, weights, weights);
    }
    asm volatile("" ::"v"(a), "v"(b), "v"(c), "v"(d), "v"(e), "v"(f), "v"(g), "v"(h), "v"(i), "v"(j), "v"(k), "v"(l));
    return n_turns * 12 * 64 * 2;
}

// Operations a second of all threads; 0 = the processor has none of these instructions.
double best_byte_rate(int n_threads, int n_repeats) {
    const MultiplyBytes multiply = __builtin_cpu_supports("avx512vnni") ? multiply_bytes_avx512vnni :
                                   __builtin_cpu_supports("avx2")       ? multiply_bytes_avx2 :
                                                                          nullptr;
    double              best     = 0;
    for (int repeat = 0; multiply != nullptr && repeat < n_repeats; ++repeat) {
        std::vector<std::thread> threads;
        std::vector<int64_t>     operations(static_cast<size_t>(n_threads));
        const auto               start = std::chrono::steady_clock::now();
        for (int64_t & of_thread : operations) {
            threads.emplace_back([&of_thread, multiply] { of_thread = multiply(); });
        }
        std::for_each(threads.begin(), threads.end(), [](std::thread & thread) { thread.join(); });
        const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
        best = std::max(best, static_cast<double>(std::accumulate(operations.begin(), operations.end(), int64_t{ 0 })) /
                                  elapsed.count());
    }
    return best;
}
#else
double best_byte_rate(int /*n_threads*/, int /*n_repeats*/) {
    return 0;
}
#endif

void set_threads(ggml_backend_t backend, int n_threads) {
    ggml_backend_reg_t registry = ggml_backend_dev_backend_reg(ggml_backend_get_device(backend));
    // Looked up by name, because the backend is a plug-in.
    auto *             set      = reinterpret_cast<ggml_backend_set_n_threads_t>(
        ggml_backend_reg_get_proc_address(registry, "ggml_backend_set_n_threads"));
    if (set != nullptr) {
        set(backend, n_threads);
    }
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc < 4 || argc > 5) {
        std::cerr << "usage: matmul-peak LIBRARIES N_THREADS N_REPEATS [gpu]\n";
        return 2;
    }
    ggml_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    ggml_backend_load_all_from_path(argv[1]);
    const bool             gpu = argc == 5 && std::strcmp(argv[4], "gpu") == 0;
    const ggml_backend_ptr backend(
        ggml_backend_init_by_type(gpu ? GGML_BACKEND_DEVICE_TYPE_GPU : GGML_BACKEND_DEVICE_TYPE_CPU, nullptr));
    if (!backend) {
        std::cerr << "no " << (gpu ? "GPU" : "CPU") << " backend in " << argv[1] << "\n";
        return 1;
    }
    set_threads(backend.get(), std::atoi(argv[2]));
    const int64_t n_columns = gpu ? 4096 : 512;
    std::cout << "{\"device\":\"" << ggml_backend_name(backend.get()) << "\"";
    for (const ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16 }) {
        const double rate = best_rate(backend.get(), type, n_columns, std::atoi(argv[3]));
        std::cout << ",\"" << ggml_type_name(type) << "\":" << rate;
    }
    if (const double rate = gpu ? 0 : best_byte_rate(std::atoi(argv[2]), std::atoi(argv[3])); rate > 0) {
        std::cout << ",\"int8\":" << rate;
    }
    std::cout << "}\n";
    return 0;
}
