#pragma once

// What loading a model takes of each device's memory, told before from the header of its file: by what loading itself counts its
// tensors and its graphs with. Blocks; any thread.

#include "ggml.h"
#include "types.h"

#include <optional>
#include <vector>

namespace jina_reranker {

// [n]: with n layers on the GPU, from none to as many as the options ask for; [0] alone where no GPU is used. What depends on the
// GPU's free memory is that of now. matrix_type: of the weights, were they converted; none = as in the file. Throws model_not_found,
// model_invalid, backend_unavailable, invalid_argument, or out_of_memory where a tensor is larger than a device takes.
std::vector<std::vector<DeviceMemory>> estimate(EngineOptions options, std::optional<ggml_type> matrix_type);

}  // namespace jina_reranker
