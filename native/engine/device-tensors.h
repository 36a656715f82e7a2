#pragma once

// Tensors that lie on one device, and how what a vector holds gets there.

#include "ggml-cpp.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace jina_reranker {

struct DeviceTensors {
    ggml_backend_dev_t      device = nullptr;
    ggml_context_ptr        context;
    ggml_backend_buffer_ptr buffer;  // none before the tensors are known
};

// Those of a device; when it has none yet, room for n_tensors.
inline DeviceTensors & tensors_on(ggml_backend_dev_t device, std::vector<DeviceTensors> & all, size_t n_tensors) {
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const DeviceTensors & one) { return one.device == device; });
    if (found != all.end()) {
        return *found;
    }
    return all.emplace_back(DeviceTensors{
        device, ggml_context_ptr(ggml_init({ n_tensors * ggml_tensor_overhead(), nullptr, /*.no_alloc =*/true })),
        nullptr });
}

// Writes all of a tensor.
template <typename Number>
void set(ggml_tensor * tensor, const std::vector<Number> & numbers) {
    ggml_backend_tensor_set(tensor, numbers.data(), 0, numbers.size() * sizeof(Number));
}

}  // namespace jina_reranker
