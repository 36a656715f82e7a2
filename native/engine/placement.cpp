#include "placement.h"

#include "backend.h"
#include "error.h"

#include <algorithm>
#include <string>
#include <vector>

namespace jina_reranker {

namespace {

ggml_backend_dev_t device_of(const EngineOptions & options) {
    const ggml_backend_dev_t        cpu     = usable_devices(Backend::cpu).front();
    std::vector<ggml_backend_dev_t> devices = { cpu };
    if (options.n_gpu_layers > 0) {
        devices = usable_devices(options.backend);
    }
    if (options.device.empty()) {
        return devices.front();
    }
    if (devices.front() != cpu) {
        devices.push_back(cpu);
    }
    std::string known;
    for (ggml_backend_dev_t device : devices) {
        if (options.device == ggml_backend_dev_name(device)) {
            return device;
        }
        known += (known.empty() ? "" : ", ") + std::string(ggml_backend_dev_name(device));
    }
    throw Error(ErrorCode::invalid_argument, "device: expected one of " + known + ", got \"" + options.device + "\"");
}

}  // namespace

Placement place(const EngineOptions & options, int32_t n_layer) {
    Placement placement = { device_of(options), 0 };
    if (placement.on_gpu()) {
        placement.n_gpu_layers = std::min(options.n_gpu_layers, n_layer + 1);
    }
    return placement;
}

}  // namespace jina_reranker
