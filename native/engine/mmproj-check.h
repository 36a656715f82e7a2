#pragma once

// Refuses a vision tower's file that the engine would misread or ggml abort on: the mmproj GGUF that llama.cpp's converter
// writes for Qwen2-VL, which is jina-reranker-m0's. Pure. Its numbers are checked where they are read (VisionWeights).

#include "gguf-file.h"
#include "image.h"

#include <array>
#include <cstdint>

namespace jina_reranker {

struct VisionShape {
    int32_t              n_layer = 0;
    int32_t              n_embd  = 0;
    int32_t              n_head  = 0;
    int32_t              n_ff    = 0;
    int32_t              n_out   = 0;  // numbers of a token's embedding, as the language model has them
    float                epsilon = 0;
    std::array<float, 3> mean    = {};  // of red, green and blue, where 1 is the brightest
    std::array<float, 3> std     = {};
    bool                 swapped = false;  // ffn_up and ffn_down have each other's names, as in files of old converters

    int32_t head_size() const { return n_embd / n_head; }

    // Of the four patches that become a token.
    int32_t n_merged() const { return n_embd * kTokenPatches; }
};

// Throws model_invalid with what was expected and what was found. n_embd: the language model's.
VisionShape check_mmproj(const GgufFile & file, int32_t n_embd);

}  // namespace jina_reranker
