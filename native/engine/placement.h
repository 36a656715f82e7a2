#pragma once

// Where a model is computed. Any thread.

#include "ggml-backend.h"
#include "types.h"

#include <cstdint>

namespace jina_reranker {

struct Placement {
    ggml_backend_dev_t device;        // the GPU of some layers at least, else the CPU
    int32_t            n_gpu_layers;  // the output counting as one

    bool on_gpu() const { return ggml_backend_dev_type(device) != GGML_BACKEND_DEVICE_TYPE_CPU; }
};

// What the options ask for, for a model of so many layers. Throws backend_unavailable, and invalid_argument where there is no
// such device.
Placement place(const EngineOptions & options, int32_t n_layer);

}  // namespace jina_reranker
