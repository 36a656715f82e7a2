#pragma once

// What an engine takes of each device's memory. Pure.

#include "device-tensors.h"
#include "types.h"

#include <algorithm>
#include <vector>

namespace jina_reranker {

// Of a device, among those of all; nothing yet where it is not among them.
inline DeviceMemory & memory_of(ggml_backend_dev_t device, std::vector<DeviceMemory> & all) {
    const std::string name = ggml_backend_dev_name(device);
    const auto found       = std::find_if(all.begin(), all.end(), [&](const auto & one) { return one.device == name; });
    return found != all.end() ? *found : all.emplace_back(DeviceMemory{ name });
}

}  // namespace jina_reranker
