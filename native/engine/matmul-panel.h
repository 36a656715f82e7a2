#pragma once

// What the products' kernels for all instruction sets do alike: they quantize activations, unpack scales and mins, and walk
// over a task's panels and tokens. Everything here is static: each kernel has its own, compiled for its processors.

#include "matmul-kernel.h"

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace jina_reranker {

// Rows of a panel that a register holds: four quants, an integer or a float of each.
#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#else
constexpr int64_t kLanes = 8;
#endif

template <typename Vector>
static Vector load(const void * from) {
    Vector vector;
    std::memcpy(&vector, from, sizeof(vector));
    return vector;
}

// A block of a panel, unpacked. The weights of row r in sub-block j are d[r] * scales[j][r] * quant - dmin[r] * mins[j][r].
template <size_t kSubBlocks>
struct alignas(64) KQuantPanel {
    uint8_t qs[kMatMulBlock / 4][kMatMulRows][4];  // a column is four quants of each row
    int32_t scales[kSubBlocks][kMatMulRows];       // as the kernel multiplies by them: scale_of()
    int32_t mins[kSubBlocks / 2][kMatMulRows];     // of two sub-blocks, 16 bits each
    float   d[kMatMulRows];
    float   dmin[kMatMulRows];
};

// Two halves of 16 bits alike, where sums are of 16 bits.
static int32_t scale_of(int scale);

static inline int32_t pair_of(int lower, int upper) {
    return static_cast<int32_t>((static_cast<uint32_t>(lower) & 0xffffU) | static_cast<uint32_t>(upper) << 16U);
}

static inline void unpack_f16(const uint16_t (&from)[kMatMulRows], float (&to)[kMatMulRows]) {
    for (int64_t row = 0; row < kMatMulRows; row += 8) {
        _mm256_storeu_ps(to + row, _mm256_cvtph_ps(load<__m128i>(from + row)));
    }
}

// Q4_K and Q5_K. Scale j < 4 is the lower 6 bits of byte j, min j those of byte j + 4. Of scale and min j >= 4, the lower 4
// bits share byte j + 4, and the upper 2 are the upper bits of bytes j - 4 and j.
template <typename Packed>
static void unpack_scales(const Packed & block, KQuantPanel<8> & panel) {
    const auto & q = block.scales;
    for (int64_t j = 0; j < 4; ++j) {
        for (int64_t row = 0; row < kMatMulRows; ++row) {
            panel.scales[j][row]     = scale_of(q[j][row] & 63);
            panel.scales[j + 4][row] = scale_of((q[j + 8][row] & 15) | (q[j][row] >> 6 << 4));
        }
    }
    for (int64_t j = 0; j < 4; j += 2) {
        for (int64_t row = 0; row < kMatMulRows; ++row) {
            panel.mins[j / 2][row]     = pair_of(q[j + 4][row] & 63, q[j + 5][row] & 63);
            panel.mins[j / 2 + 2][row] = pair_of((q[j + 8][row] >> 4) | (q[j + 4][row] >> 6 << 4),
                                                 (q[j + 9][row] >> 4) | (q[j + 5][row] >> 6 << 4));
        }
    }
    unpack_f16(block.d, panel.d);
    unpack_f16(block.dmin, panel.dmin);
}

// Q6_K stores quant + 32 without a sign: 32 times the scale is what has to be subtracted, as a min is elsewhere.
static inline void unpack_scales(const PackedQ6K & block, KQuantPanel<16> & panel) {
    for (int64_t j = 0; j < 16; j += 2) {
        for (int64_t row = 0; row < kMatMulRows; ++row) {
            panel.scales[j][row]     = scale_of(block.scales[j][row]);
            panel.scales[j + 1][row] = scale_of(block.scales[j + 1][row]);
            panel.mins[j / 2][row]   = pair_of(block.scales[j][row] * 32, block.scales[j + 1][row] * 32);
        }
    }
    unpack_f16(block.d, panel.d);
    unpack_f16(block.d, panel.dmin);
}

// Quants are bytes, and shifted as words: what comes from the byte beside is masked out.
using Quants = uint16_t __attribute__((vector_size(kLanes * 4)));

static inline Quants low_nibbles(Quants quants) {
    return quants & 0x0f0f;
}

static inline Quants high_nibbles(Quants quants) {
    return quants >> 4 & 0x0f0f;
}

// A column, from a row on.
static inline void store(uint8_t (&column)[kMatMulRows][4], int64_t row, Quants quants) {
    std::memcpy(column[row], &quants, sizeof(quants));
}

// Each 32 bytes of qs hold 64 quants: the first 32 in the low nibbles, the next 32 in the high ones.
static inline void unpack(const PackedQ4K & block, KQuantPanel<8> & panel) {
    unpack_scales(block, panel);
    for (int64_t i = 0; i < 32; ++i) {
        const int64_t column = i / 8 * 16 + i % 8;
        for (int64_t row = 0; row < kMatMulRows; row += kLanes) {
            const auto qs = load<Quants>(block.qs[i][row]);
            store(panel.qs[column], row, low_nibbles(qs));
            store(panel.qs[column + 8], row, high_nibbles(qs));
        }
    }
}

// As Q4_K; bit j of the 32 bytes of qh is the fifth bit of the 32 quants of sub-block j.
static inline void unpack(const PackedQ5K & block, KQuantPanel<8> & panel) {
    unpack_scales(block, panel);
    for (int64_t i = 0; i < 8; ++i) {
        for (int64_t row = 0; row < kMatMulRows; row += kLanes) {
            const auto qh = load<Quants>(block.qh[i][row]);
            for (int64_t j = 0; j < 8; j += 2) {
                const auto qs = load<Quants>(block.qs[j * 4 + i][row]);
                store(panel.qs[j * 8 + i], row, low_nibbles(qs) | (qh >> j & 0x0101) << 4);
                store(panel.qs[j * 8 + 8 + i], row, high_nibbles(qs) | (qh >> (j + 1) & 0x0101) << 4);
            }
        }
    }
}

// Each half of a block holds 128 quants. Their lower 4 bits: the first 64 in the low nibbles of 64 bytes of ql, the next 64 in
// the high ones. Their upper 2 bits: those of the i-th 32 quants are bits 2 i and 2 i + 1 of 32 bytes of qh.
static inline void unpack(const PackedQ6K & block, KQuantPanel<16> & panel) {
    unpack_scales(block, panel);
    for (int64_t i = 0; i < 16; ++i) {
        const int64_t column = i / 8 * 32 + i % 8;
        for (int64_t row = 0; row < kMatMulRows; row += kLanes) {
            const auto first  = load<Quants>(block.ql[i / 8 * 16 + i % 8][row]);
            const auto second = load<Quants>(block.ql[i / 8 * 16 + i % 8 + 8][row]);
            const auto qh     = load<Quants>(block.qh[i][row]);
            store(panel.qs[column], row, low_nibbles(first) | (qh << 4 & 0x3030));
            store(panel.qs[column + 8], row, low_nibbles(second) | (qh << 2 & 0x3030));
            store(panel.qs[column + 16], row, high_nibbles(first) | (qh & 0x3030));
            store(panel.qs[column + 24], row, high_nibbles(second) | (qh >> 2 & 0x3030));
        }
    }
}

// A block of f32 weights, whatever their type in the file.
struct alignas(64) FloatPanel {
    float weights[kMatMulBlock][kMatMulRows];
};

// The largest magnitude becomes 127. NaN or an infinity makes d NaN or infinite, and so every product with this block: the
// score then fails as one that is not a number. Returns d.
static inline float quantize(const float * x, int64_t n, int8_t * qs) {
    constexpr float kMaxQuant = 127.0f;
    constexpr float kMinAmax  = 1e-30f;  // 127 / amax overflows below 4e-37; quants of a block this small are 0
    int32_t         amax_bits = 0;       // magnitudes compare as integers like floats do, and NaN is the largest
    for (int64_t i = 0; i < n; ++i) {
        const auto bits = load<int32_t>(x + i) & INT32_MAX;
        amax_bits       = bits > amax_bits ? bits : amax_bits;
    }
    const auto   amax      = load<float>(&amax_bits);
    const __m256 inverse_d = _mm256_set1_ps(amax > kMinAmax ? kMaxQuant / amax : 0.0f);
    for (int64_t i = 0; i < n; i += 8) {
        const __m256i quants = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + i), inverse_d));
        const __m128i words  = _mm_packs_epi32(_mm256_castsi256_si128(quants), _mm256_extracti128_si256(quants, 1));
        const int64_t bytes  = _mm_cvtsi128_si64(_mm_packs_epi16(words, words));
        std::memcpy(qs + i, &bytes, sizeof(bytes));
    }
    return amax / kMaxQuant;
}

static void quantize(const float * row, int64_t n_blocks, ggml_type weights, MatMulInput * input) {
    const int64_t n_quants = weights == GGML_TYPE_Q8_0 ? kQ8Block : kMatMulBlock;  // with one d
    for (int64_t block = 0; block < n_blocks; ++block, ++input) {
        for (int64_t i = 0; i < kMatMulBlock; i += n_quants) {
            input->d[i / n_quants] = quantize(row + block * kMatMulBlock + i, n_quants, input->qs + i);
        }
        for (int64_t j = 0; j < kMatMulBlock / 16; ++j) {
            int16_t sum = 0;
            for (int64_t i = 0; i < 16; ++i) {
                sum = static_cast<int16_t>(sum + input->qs[j * 16 + i]);
            }
            input->bsums_16[j] = sum;
        }
        for (int64_t j = 0; j < kMatMulBlock / 32; ++j) {
            input->bsums_32[j] = static_cast<int16_t>(input->bsums_16[2 * j] + input->bsums_16[2 * j + 1]);
        }
    }
}

// What a tile of tokens is added to.
using Sums = float (*)[kMatMulRows];

// The tokens from `first` on, Format::kTokens of them together, and the last ones, fewer.
template <typename Format, size_t n = Format::kTokens>
static void add_tokens(const MatMulTask &             task,
                       const typename Format::Panel * panels,
                       int64_t                        n_blocks,
                       const char *                   input,
                       int64_t                        first,
                       Sums                           sums) {
    constexpr auto kTokens = static_cast<int64_t>(n);
    for (; first + kTokens <= task.n_tokens; first += kTokens) {
        Format::template add<n>(panels, n_blocks, input + static_cast<size_t>(first) * task.input_stride,
                                task.input_stride, sums + first);
    }
    if constexpr (n > 1) {
        if (first < task.n_tokens) {
            add_tokens<Format, n - 1>(task, panels, n_blocks, input, first, sums);
        }
    }
}

// As many blocks at once as fit the scratch: unpacked once for all tokens of the task, they stay in the first level of the cache.
template <typename Format>
static void multiply_as(const MatMulTask & task, MatMulScratch & scratch) {
    using Panel              = typename Format::Panel;
    constexpr auto kPanels   = static_cast<int64_t>(kMatMulPanelBytes / sizeof(Panel));
    auto *         panels    = reinterpret_cast<Panel *>(scratch.panels);
    const auto     row_bytes = static_cast<size_t>(kMatMulRows) * sizeof(float);
    for (int64_t p = 0; p < task.n_panels; ++p) {
        std::memset(scratch.sums[p], 0, static_cast<size_t>(task.n_tokens) * row_bytes);
    }
    for (int64_t first = 0; first < task.n_blocks; first += kPanels) {
        const int64_t n_blocks = task.n_blocks - first < kPanels ? task.n_blocks - first : kPanels;
        const char *  input    = task.input + static_cast<size_t>(first) * Format::kInputBytes;
        for (int64_t p = 0; p < task.n_panels; ++p) {
            const char * weights = task.weights + static_cast<size_t>(p) * task.panel_stride;
            for (int64_t i = 0; i < n_blocks; ++i) {
                Format::unpack(weights + static_cast<size_t>(first + i) * Format::kPackedBytes, panels[i]);
            }
            add_tokens<Format>(task, panels, n_blocks, input, 0, scratch.sums[p]);
        }
    }
    for (int64_t token = 0; token < task.n_tokens; ++token) {
        char * out = task.out + static_cast<size_t>(token) * task.out_stride;
        for (int64_t p = 0; p < task.n_panels; ++p, out += row_bytes) {
            std::memcpy(out, scratch.sums[p][token], row_bytes);
        }
    }
}

}  // namespace jina_reranker
