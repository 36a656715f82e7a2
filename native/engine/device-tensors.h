#pragma once

// Tensors that lie on one device, the memory for them, and how what a vector holds gets there.

#include "ggml-cpp.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace jina_reranker {

// Whether memory is taken, or only counted.
enum class Memory { taken, counted };

struct DeviceTensors {
    ggml_backend_dev_t      device = nullptr;
    ggml_context_ptr        context;
    ggml_backend_buffer_ptr buffer;       // none before the tensors are known
    size_t                  n_bytes = 0;  // of the buffer
};

// The memory of all of them; returns false where there is none, or a tensor is larger than the device takes. What is counted gets a
// buffer without bytes, from which ggml's scheduler reads the device.
bool allocate(DeviceTensors & tensors, Memory memory, ggml_backend_buffer_usage usage = GGML_BACKEND_BUFFER_USAGE_ANY);

// No tensors yet, room for n_tensors.
inline DeviceTensors no_tensors(ggml_backend_dev_t device, size_t n_tensors) {
    return { device, ggml_context_ptr(ggml_init({ n_tensors * ggml_tensor_overhead(), nullptr, /*.no_alloc =*/true })),
             nullptr };
}

// Those of a device; when it has none yet, room for n_tensors.
inline DeviceTensors & tensors_on(ggml_backend_dev_t device, std::vector<DeviceTensors> & all, size_t n_tensors) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const DeviceTensors & one) { return one.device == device; });
    return found != all.end() ? *found : all.emplace_back(no_tensors(device, n_tensors));
}

// Writes all of a tensor.
template <typename Number>
void set(ggml_tensor * tensor, const std::vector<Number> & numbers) {
    ggml_backend_tensor_set(tensor, numbers.data(), 0, numbers.size() * sizeof(Number));
}

}  // namespace jina_reranker
