#pragma once

// Blocks of K-quantized weights as they lie in a GGUF file. ggml's own structures are not in its public headers; these have
// the names of their fields, so that a kernel here reads as one there. A block holds kMatMulBlock (ggml: QK_K) weights of
// one row in sub-blocks, each with a scale and, but for Q6_K, a min.

#include "matmul-kernel.h"

#include <cstddef>
#include <cstdint>

namespace jina_reranker {

constexpr int64_t kScaleBytes = 12;  // ggml: K_SCALE_SIZE; eight scales and eight mins of 6 bits

// Eight sub-blocks of 32: weight = d * scale * quant - dmin * min.
struct BlockQ4K {
    uint16_t d;     // f16, scale of the scales
    uint16_t dmin;  // f16, scale of the mins
    uint8_t  scales[kScaleBytes];
    uint8_t  qs[kMatMulBlock / 2];  // quants, 4 bits
};

static_assert(sizeof(BlockQ4K) == 2 * sizeof(uint16_t) + kScaleBytes + kMatMulBlock / 2);

// As Q4_K, with a fifth bit.
struct BlockQ5K {
    uint16_t d;
    uint16_t dmin;
    uint8_t  scales[kScaleBytes];
    uint8_t  qh[kMatMulBlock / 8];  // quants, the fifth bit
    uint8_t  qs[kMatMulBlock / 2];  // quants, the lower 4 bits
};

static_assert(sizeof(BlockQ5K) == 2 * sizeof(uint16_t) + kScaleBytes + kMatMulBlock / 8 + kMatMulBlock / 2);

// Sixteen sub-blocks of 16: weight = d * scale * (quant - 32).
struct BlockQ6K {
    uint8_t  ql[kMatMulBlock / 2];  // quants, the lower 4 bits
    uint8_t  qh[kMatMulBlock / 4];  // quants, the upper 2 bits
    int8_t   scales[kMatMulBlock / 16];
    uint16_t d;  // f16, scale of the scales
};

static_assert(sizeof(BlockQ6K) == kMatMulBlock / 2 + kMatMulBlock / 4 + kMatMulBlock / 16 + sizeof(uint16_t));

}  // namespace jina_reranker
