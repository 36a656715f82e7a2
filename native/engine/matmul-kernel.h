#pragma once

// The arithmetic of a product of packed weights and activations. Quantized weights are multiplied by activations quantized to
// 8 bits, other weights by f32. Each kernel is compiled for an instruction set of its own, so the kernels and this header use
// nothing of the C++ library that the linker could share with other objects. Runs on ggml's threads.

#include "ggml.h"
#include "weight-packing.h"

#include <cstddef>
#include <cstdint>

namespace jina_reranker {

constexpr int64_t kMatMulPanels = 4;    // panels of a task, at most
constexpr int64_t kMatMulTokens = 128;  // tokens of a task, at most

// A block of a token's activations for quantized weights. For K-quants activation = d[0] * quant; for Q8_0 each sub-block of 32
// has a d of its own.
struct MatMulInput {
    int8_t  qs[kMatMulBlock];
    int16_t bsums_16[kMatMulBlock / 16];  // sums of 16 quants
    int16_t bsums_32[kMatMulBlock / 32];  // sums of 32 quants
    float   d[kMatMulBlock / kQ8Block];
};

// Some panels of a matrix times some tokens. Strides are in bytes.
struct MatMulTask {
    const char * weights;  // the first panel
    size_t       panel_stride;
    ggml_type    type;
    int64_t      n_panels;
    int64_t      n_blocks;  // in a row
    const char * input;     // of a token: MatMulInput [n_blocks], or f32 [n_blocks][kMatMulBlock]
    size_t       input_stride;
    int64_t      n_tokens;
    char *       out;  // the first token's first row, f32
    size_t       out_stride;
};

constexpr size_t kMatMulPanelBytes = size_t{ 18 } << 10U;  // fits the first level of a cache beside activations

// A thread's memory to work in: unpacked weights, and sums.
struct alignas(64) MatMulScratch {
    unsigned char panels[kMatMulPanelBytes];
    float         sums[kMatMulPanels][kMatMulTokens][kMatMulRows];
};

struct MatMulKernel {
    // weights: their type, a quantized one
    void (*quantize)(const float * row, int64_t n_blocks, ggml_type weights, MatMulInput * input);
    void (*multiply)(const MatMulTask & task, MatMulScratch & scratch);
};

// Defined on x86-64, except with MSVC.
MatMulKernel matmul_avx2();
MatMulKernel matmul_avxvnni();
MatMulKernel matmul_avx512vnni();

}  // namespace jina_reranker
