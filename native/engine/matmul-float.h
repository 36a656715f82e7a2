#pragma once

// Products with weights that are not quantized, for every instruction set: lanes are rows of weights, and the sums of a block
// run over its weights in their order. Static, as in matmul-panel.h.

#include "matmul-panel.h"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace jina_reranker {

// Tokens multiplied together: their sums fill the registers.
#if defined(__AVX512F__)
constexpr size_t kFloatTokens = 14;
#else
constexpr size_t kFloatTokens = 6;
#endif

using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

// Written out, because the bits must not depend on what a compiler fuses.
static inline Lanes fused_multiply_add(Lanes a, Lanes b, Lanes c) {
#if defined(__AVX512F__)
    return _mm512_fmadd_ps(a, b, c);
#else
    return _mm256_fmadd_ps(a, b, c);
#endif
}

struct F16 {
    uint16_t bits;
};

// The upper half of an f32.
struct BF16 {
    uint16_t bits;
};

// A weight of each row.
static inline void widen(const float * from, float (&to)[kMatMulRows]) {
    std::memcpy(to, from, sizeof(to));
}

static inline void widen(const F16 * from, float (&to)[kMatMulRows]) {
    for (int64_t i = 0; i < kMatMulRows; i += 8) {
        _mm256_storeu_ps(to + i, _mm256_cvtph_ps(load<__m128i>(from + i)));
    }
}

static inline void widen(const BF16 * from, float (&to)[kMatMulRows]) {
    for (int64_t i = 0; i < kMatMulRows; i += 8) {
        const __m256i words = _mm256_slli_epi32(_mm256_cvtepu16_epi32(load<__m128i>(from + i)), 16);
        _mm256_storeu_ps(to + i, _mm256_castsi256_ps(words));
    }
}

template <typename Number>
struct FloatFormat {
    using Panel = FloatPanel;

    static constexpr size_t kTokens      = kFloatTokens;
    static constexpr size_t kVectors     = kMatMulRows / kLanes;
    static constexpr size_t kPackedBytes = kMatMulBlock * kMatMulRows * sizeof(Number);
    static constexpr size_t kInputBytes  = kMatMulBlock * sizeof(float);

    static void unpack(const char * weights, Panel & panel) {
        const auto * numbers = reinterpret_cast<const Number *>(weights);
        for (int64_t i = 0; i < kMatMulBlock; ++i) {
            widen(numbers + i * kMatMulRows, panel.weights[i]);
        }
    }

    template <size_t n>
    static void add(const Panel * panels, int64_t n_blocks, const char * input, size_t stride, Sums sums) {
        for (int64_t block = 0; block < n_blocks; ++block, input += kInputBytes) {
            Lanes products[n][kVectors] = {};
            for (size_t i = 0; i < static_cast<size_t>(kMatMulBlock); ++i) {
                Lanes weights[kVectors];
                for (size_t part = 0; part < kVectors; ++part) {
                    weights[part] = load<Lanes>(panels[block].weights[i] + static_cast<int64_t>(part) * kLanes);
                }
#pragma GCC unroll 16
                for (size_t token = 0; token < n; ++token) {
                    const auto activation = load<float>(input + token * stride + i * sizeof(float));
#pragma GCC unroll 2
                    for (size_t part = 0; part < kVectors; ++part) {
                        products[token][part] =
                            fused_multiply_add(weights[part], activation - Lanes{}, products[token][part]);
                    }
                }
            }
#pragma GCC unroll 16
            for (size_t token = 0; token < n; ++token) {
#pragma GCC unroll 2
                for (size_t part = 0; part < kVectors; ++part) {
                    float *     to  = sums[token] + static_cast<int64_t>(part) * kLanes;
                    const Lanes sum = load<Lanes>(to) + products[token][part];
                    std::memcpy(to, &sum, sizeof(sum));
                }
            }
        }
    }
};

}  // namespace jina_reranker
