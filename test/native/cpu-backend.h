#pragma once

// ggml's CPU backend with a given number of threads, for tests of what its threads are made to compute.

#include "ggml-backend.h"
#include "ggml-cpp.h"

#include <cstdint>

inline ggml_backend_ptr cpu_backend(int32_t n_threads) {
    ggml_backend_ptr backend(ggml_backend_init_by_type(GGML_BACKEND_DEVICE_TYPE_CPU, nullptr));
    const auto       set_n_threads = reinterpret_cast<ggml_backend_set_n_threads_t>(ggml_backend_reg_get_proc_address(
              ggml_backend_dev_backend_reg(ggml_backend_get_device(backend.get())), "ggml_backend_set_n_threads"));
    set_n_threads(backend.get(), n_threads);
    return backend;
}
