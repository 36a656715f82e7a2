#pragma once

// The arithmetic of a product of quantized weights and activations: 8-bit activations, sixteen rows of weights at a time.
// Each kernel is compiled for an instruction set of its own, so they and this header use nothing of the C++ library that
// could be shared with other objects.

#include "ggml.h"

#include <cstddef>
#include <cstdint>

namespace jina_reranker {

constexpr int64_t kMatMulBlock = 256;  // numbers in a block of a row; what its length is a multiple of
constexpr int64_t kMatMulRows  = 16;   // rows of weights in a panel
constexpr int64_t kMatMulParts = 16;   // parts of a block with a scale of their own, at most

// A block of a token's activations: numbers[i] * scale.
struct MatMulInput {
    int8_t numbers[kMatMulBlock];
    float  sums_of_16[kMatMulBlock / 16];  // of numbers
    float  sums_of_32[kMatMulBlock / 32];
    float  scale;
};

// A block of sixteen rows, spread out: of row r and part p, numbers * scales[p][r] - offsets[p][r].
struct alignas(64) MatMulPanel {
    uint8_t numbers[kMatMulBlock / 4][kMatMulRows][4];
    float   scales[kMatMulParts][kMatMulRows];
    float   offsets[kMatMulParts][kMatMulRows];
};

struct MatMulTask {
    const char *        weights;  // the first row
    size_t              weights_stride;
    ggml_type           type;
    int64_t             n_rows;    // 1 to kMatMulRows
    int64_t             n_blocks;  // in a row
    const MatMulInput * input;     // [n_tokens][n_blocks]
    int64_t             n_tokens;
    char *              out;  // the first token's first row, f32
    size_t              out_stride;
};

struct MatMulKernel {
    void (*quantize)(const float * row, int64_t n_blocks, MatMulInput * input);
    // panels: [n_blocks], to work in
    void (*multiply)(const MatMulTask & task, MatMulPanel * panels);
};

// The weights that a kernel knows.
constexpr bool is_matmul_type(ggml_type type) {
    return type == GGML_TYPE_Q4_K || type == GGML_TYPE_Q5_K || type == GGML_TYPE_Q6_K;
}

// Defined on x86-64, except with MSVC.
MatMulKernel matmul_avx2();
MatMulKernel matmul_avx512vnni();

}  // namespace jina_reranker
