// Measures the machine's limit: the floating-point operations a second of ggml in one large matrix product, with the backend
// libraries and the number of threads of the engine. Prints the best of several times for each type as JSON.
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
#include <random>
#include <string>
#include <vector>

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
    std::cout << "}\n";
    return 0;
}
