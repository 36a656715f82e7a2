#pragma once

// Blocks of quantized weights as they lie in a GGUF file (ggml's own structures are not in its public headers), and what
// the kernels for all instruction sets do with them alike. Everything here is static: each kernel has its own, compiled
// for its processors.

#include "matmul-kernel.h"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace jina_reranker {

constexpr int64_t kPackedScales = 12;

struct BlockQ4K {
    uint16_t scale;   // of the parts' scales, f16
    uint16_t offset;  // of the parts' offsets, f16
    uint8_t  parts[kPackedScales];
    uint8_t  low[kMatMulBlock / 2];
};

struct BlockQ5K {
    uint16_t scale;
    uint16_t offset;
    uint8_t  parts[kPackedScales];
    uint8_t  high[kMatMulBlock / 8];
    uint8_t  low[kMatMulBlock / 2];
};

struct BlockQ6K {
    uint8_t  low[kMatMulBlock / 2];
    uint8_t  high[kMatMulBlock / 4];
    int8_t   parts[kMatMulBlock / 16];
    uint16_t scale;
};

template <typename Block>
static const Block & block_of(const MatMulTask & task, int64_t row, int64_t block) {
    // Rows that are not there are copies of the last: what they give is not stored.
    const int64_t there = row < task.n_rows ? row : task.n_rows - 1;
    return reinterpret_cast<const Block *>(task.weights + static_cast<size_t>(there) * task.weights_stride)[block];
}

// The parts' scales and offsets of Q4_K and Q5_K: 6 bits each, the upper two of the last four beside the first four.
template <typename Block>
static void spread_scales(const Block & block, int64_t row, MatMulPanel & panel) {
    constexpr int64_t kParts = 8;
    const float       scale  = _cvtsh_ss(block.scale);
    const float       offset = _cvtsh_ss(block.offset);
    const uint8_t *   parts  = block.parts;
    for (int64_t part = 0; part < kParts; ++part) {
        const int64_t own        = part % 4;
        const int     scales     = part < 4 ? parts[own] & 63 : (parts[own + 8] & 15) | (parts[own] >> 6 << 4);
        const int     offsets    = part < 4 ? parts[own + 4] & 63 : (parts[own + 8] >> 4) | (parts[own + 4] >> 6 << 4);
        panel.scales[part][row]  = scale * static_cast<float>(scales);
        panel.offsets[part][row] = offset * static_cast<float>(offsets);
    }
}

static inline void spread_scales(const BlockQ6K & block, int64_t row, MatMulPanel & panel) {
    constexpr float kOffset = 32;  // what a number is stored above
    const float     scale   = _cvtsh_ss(block.scale);
    for (int64_t part = 0; part < kMatMulParts; ++part) {
        const float of_part      = scale * static_cast<float>(block.parts[part]);
        panel.scales[part][row]  = of_part;
        panel.offsets[part][row] = of_part * kOffset;
    }
}

template <int64_t kParts>
static float sum_of(const MatMulInput & input, int64_t part) {
    return kParts == kMatMulParts ? input.sums_of_16[part] : input.sums_of_32[part];
}

// A row of activations. The largest of a block becomes 127; what is not finite makes the scale so, and with it all that
// it is multiplied by.
static void quantize(const float * row, int64_t n_blocks, MatMulInput * input) {
    constexpr float kLargest  = 127.0f;
    constexpr float kSmallest = 1e-30f;  // below it 127 divided by it may be infinite
    for (int64_t block = 0; block < n_blocks; ++block, ++input) {
        const float * values  = row + block * kMatMulBlock;
        int32_t       largest = 0;  // as whole numbers, magnitudes keep their order, and NaN is the largest
        for (int64_t i = 0; i < kMatMulBlock; ++i) {
            int32_t bits = 0;
            std::memcpy(&bits, values + i, sizeof(bits));
            bits &= INT32_MAX;
            largest = bits > largest ? bits : largest;
        }
        float magnitude = 0;
        std::memcpy(&magnitude, &largest, sizeof(magnitude));
        input->scale         = magnitude / kLargest;
        const __m256 inverse = _mm256_set1_ps(magnitude > kSmallest ? kLargest / magnitude : 0.0f);
        for (int64_t i = 0; i < kMatMulBlock; i += 8) {
            const __m256i rounded = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(values + i), inverse));
            const __m128i words =
                _mm_packs_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
            const int64_t bytes = _mm_cvtsi128_si64(_mm_packs_epi16(words, words));
            std::memcpy(input->numbers + i, &bytes, sizeof(bytes));
        }
        for (int64_t part = 0; part < kMatMulBlock / 16; ++part) {
            int32_t sum = 0;
            for (int64_t i = 0; i < 16; ++i) {
                sum += input->numbers[part * 16 + i];
            }
            input->sums_of_16[part] = static_cast<float>(sum);
        }
        for (int64_t part = 0; part < kMatMulBlock / 32; ++part) {
            input->sums_of_32[part] = input->sums_of_16[2 * part] + input->sums_of_16[2 * part + 1];
        }
    }
}

}  // namespace jina_reranker
