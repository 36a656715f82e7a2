#pragma once

// The arithmetic of a product of quantized weights and activations: activations are quantized to 8 bits, sixteen rows of
// weights are multiplied at a time. Each kernel is compiled for an instruction set of its own, so the kernels and this header
// use nothing of the C++ library that the linker could share with other objects. Runs on ggml's threads.

#include "ggml.h"

#include <cstddef>
#include <cstdint>

namespace jina_reranker {

constexpr int64_t kMatMulBlock     = 256;  // weights in a block (ggml: QK_K); a row has a multiple of it
constexpr int64_t kMatMulRows      = 16;   // rows of weights in a panel
constexpr int64_t kMatMulSubBlocks = 16;   // sub-blocks of a block, each with its own scale, at most

// A block of a token's activations, as ggml's block_q8_K: activation = d * quant.
struct MatMulInput {
    int8_t qs[kMatMulBlock];
    float  bsums_16[kMatMulBlock / 16];  // sums of 16 quants
    float  bsums_32[kMatMulBlock / 32];  // sums of 32 quants
    float  d;
};

// A block of sixteen rows, unpacked to bytes. The weights of row r in sub-block j are scales[j][r] * quant - mins[j][r].
struct alignas(64) MatMulPanel {
    uint8_t qs[kMatMulBlock / 4][kMatMulRows][4];  // a column is four quants of each row
    float   scales[kMatMulSubBlocks][kMatMulRows];
    float   mins[kMatMulSubBlocks][kMatMulRows];
};

// Sixteen rows of weights times all tokens. Strides are in bytes.
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
    // panels: [n_blocks], scratch memory
    void (*multiply)(const MatMulTask & task, MatMulPanel * panels);
};

// Defined on x86-64, except with MSVC.
MatMulKernel matmul_avx2();
MatMulKernel matmul_avx512vnni();

}  // namespace jina_reranker
