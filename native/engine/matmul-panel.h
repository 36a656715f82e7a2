#pragma once

// What the products' kernels for all instruction sets do alike: they find blocks of weights, unpack their scales and mins into
// a panel, and quantize activations. Everything here is static: each kernel has its own, compiled for its processors.

#include "matmul-blocks.h"
#include "matmul-kernel.h"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace jina_reranker {

// The last panel may have fewer rows: the missing ones are copies of the last row, and their results are not stored.
template <typename Block>
static const Block & block_of(const MatMulTask & task, int64_t row, int64_t block) {
    const int64_t present = row < task.n_rows ? row : task.n_rows - 1;
    return reinterpret_cast<const Block *>(task.weights + static_cast<size_t>(present) * task.weights_stride)[block];
}

// Q4_K and Q5_K. Scale j < 4 is the lower 6 bits of byte j, min j those of byte j + 4. Of scale and min j >= 4, the lower 4
// bits share byte j + 4, and the upper 2 are the upper bits of bytes j - 4 and j.
template <typename Block>
static void unpack_scales(const Block & block, int64_t row, MatMulPanel & panel) {
    constexpr int64_t kSubBlocks = 8;
    const float       d          = _cvtsh_ss(block.d);
    const float       dmin       = _cvtsh_ss(block.dmin);
    const uint8_t *   q          = block.scales;
    for (int64_t j = 0; j < kSubBlocks; ++j) {
        const int scale      = j < 4 ? q[j] & 63 : (q[j + 4] & 15) | (q[j - 4] >> 6 << 4);
        const int min        = j < 4 ? q[j + 4] & 63 : (q[j + 4] >> 4) | (q[j] >> 6 << 4);
        panel.scales[j][row] = d * static_cast<float>(scale);
        panel.mins[j][row]   = dmin * static_cast<float>(min);
    }
}

// Q6_K stores quant + 32 without a sign: 32 times the scale is what has to be subtracted, as a min is elsewhere.
static inline void unpack_scales(const BlockQ6K & block, int64_t row, MatMulPanel & panel) {
    constexpr float kZeroPoint = 32;
    const float     d          = _cvtsh_ss(block.d);
    for (int64_t j = 0; j < kMatMulSubBlocks; ++j) {
        const float scale    = d * static_cast<float>(block.scales[j]);
        panel.scales[j][row] = scale;
        panel.mins[j][row]   = scale * kZeroPoint;
    }
}

// The sum of a sub-block's activation quants, by which its min is multiplied.
template <int64_t kSubBlocks>
static float bsum_of(const MatMulInput & input, int64_t j) {
    return kSubBlocks == kMatMulSubBlocks ? input.bsums_16[j] : input.bsums_32[j];
}

// Quantizes a row of activations to 8 bits. The largest magnitude of a block becomes 127. NaN or an infinity makes d NaN or
// infinite, and so every product with this block: the score then fails as one that is not a number.
static void quantize(const float * row, int64_t n_blocks, MatMulInput * input) {
    constexpr float kMaxQuant = 127.0f;
    constexpr float kMinAmax  = 1e-30f;  // 127 / amax overflows below 4e-37; quants of a block this small are 0
    for (int64_t block = 0; block < n_blocks; ++block, ++input) {
        const float * x         = row + block * kMatMulBlock;
        int32_t       amax_bits = 0;  // magnitudes compare as integers like floats do, and NaN is the largest
        for (int64_t i = 0; i < kMatMulBlock; ++i) {
            int32_t bits = 0;
            std::memcpy(&bits, x + i, sizeof(bits));
            bits &= INT32_MAX;
            amax_bits = bits > amax_bits ? bits : amax_bits;
        }
        float amax = 0;
        std::memcpy(&amax, &amax_bits, sizeof(amax));
        input->d               = amax / kMaxQuant;
        const __m256 inverse_d = _mm256_set1_ps(amax > kMinAmax ? kMaxQuant / amax : 0.0f);
        for (int64_t i = 0; i < kMatMulBlock; i += 8) {
            const __m256i quants = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), inverse_d));
            const __m128i words  = _mm_packs_epi32(_mm256_castsi256_si128(quants), _mm256_extracti128_si256(quants, 1));
            const int64_t bytes  = _mm_cvtsi128_si64(_mm_packs_epi16(words, words));
            std::memcpy(input->qs + i, &bytes, sizeof(bytes));
        }
        for (int64_t j = 0; j < kMatMulBlock / 16; ++j) {
            int32_t sum = 0;
            for (int64_t i = 0; i < 16; ++i) {
                sum += input->qs[j * 16 + i];
            }
            input->bsums_16[j] = static_cast<float>(sum);
        }
        for (int64_t j = 0; j < kMatMulBlock / 32; ++j) {
            input->bsums_32[j] = input->bsums_16[2 * j] + input->bsums_16[2 * j + 1];
        }
    }
}

}  // namespace jina_reranker
