#pragma once

// Weights as the products' kernels read them: of each kMatMulRows rows, the same field of the same block lies side by side.
// Packing moves bytes and rounds nothing; packed rows take the place, and the size, of the file's. Pure; any thread.

#include "ggml.h"

#include <cstddef>
#include <cstdint>

namespace jina_reranker {

constexpr int64_t kMatMulRows  = 16;   // rows of weights that lie side by side: a panel
constexpr int64_t kMatMulBlock = 256;  // weights of a row that a kernel takes at a time (ggml: QK_K)

// Whether a matrix can be packed: its type is known here, its rows are whole blocks, and they fill panels.
bool can_pack(const ggml_tensor & matrix);

// Rearranges a matrix in host memory, in place.
void pack(ggml_tensor & matrix);

// Packed blocks. ggml's own structures are not in its public headers; these have the names of their fields.

constexpr int64_t kScaleBytes = 12;  // ggml: K_SCALE_SIZE; eight scales and eight mins of 6 bits

// Eight sub-blocks of 32: weight = d * scale * quant - dmin * min.
struct PackedQ4K {
    uint16_t d[kMatMulRows];     // f16, scale of the scales
    uint16_t dmin[kMatMulRows];  // f16, scale of the mins
    uint8_t  scales[kScaleBytes][kMatMulRows];
    uint8_t  qs[kMatMulBlock / 8][kMatMulRows][4];  // quants, 4 bits
};

// As Q4_K, with a fifth bit.
struct PackedQ5K {
    uint16_t d[kMatMulRows];
    uint16_t dmin[kMatMulRows];
    uint8_t  scales[kScaleBytes][kMatMulRows];
    uint8_t  qh[kMatMulBlock / 32][kMatMulRows][4];  // quants, the fifth bit
    uint8_t  qs[kMatMulBlock / 8][kMatMulRows][4];   // quants, the lower 4 bits
};

// Sixteen sub-blocks of 16: weight = d * scale * (quant - 32).
struct PackedQ6K {
    uint8_t  ql[kMatMulBlock / 8][kMatMulRows][4];   // quants, the lower 4 bits
    uint8_t  qh[kMatMulBlock / 16][kMatMulRows][4];  // quants, the upper 2 bits
    int8_t   scales[kMatMulBlock / 16][kMatMulRows];
    uint16_t d[kMatMulRows];  // f16, scale of the scales
};

constexpr int64_t kQ8Block = 32;  // ggml: QK8_0

// weight = d * quant.
struct PackedQ80 {
    uint16_t d[kMatMulRows];  // f16
    int8_t   qs[kQ8Block / 4][kMatMulRows][4];
};

}  // namespace jina_reranker
