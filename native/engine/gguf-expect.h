#pragma once

// What the keys and tensors of a GGUF must be: what the checks of a model and of a vision tower have in common. Each function
// throws model_invalid with the name of what is wrong. Pure.

#include "gguf-file.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace jina_reranker {

constexpr uint32_t kMaxLayers = 512;  // llama.cpp's LLAMA_MAX_LAYERS, by which it asserts

struct ExpectedTensor {
    std::vector<int64_t> shape;
    bool                 required = false;
};

using ExpectedTensors = std::map<std::string, ExpectedTensor>;

// The value of a key that is a length or a count: 1 to 2^30.
uint32_t positive(const GgufFile & file, const std::string & name);

// Refuses values that would make NaN or infinities; ggml asserts on a negative epsilon.
void check_float(const GgufFile & file, const std::string & name, float lowest, float highest);
void check_optional_float(const GgufFile & file, const std::string & name, float lowest, float highest);

// The file has these tensors and no others. model: what they are the tensors of, for the message.
void check_tensors(const GgufFile & file, ExpectedTensors expected, const std::string & model);

}  // namespace jina_reranker
