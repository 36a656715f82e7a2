// The product for AVX-512 VNNI, which multiplies 4 x 16 pairs of bytes in one instruction. Lanes are rows of weights: a token's
// sums run over the quants of a row in their order, and every multiplication and addition is compiled in one place. So a
// token's bits do not depend on the tokens beside it. Weights are unpacked once for all tokens.

#include "matmul-blocks.h"
#include "matmul-kernel.h"
#include "matmul-panel.h"

#if defined(__GNUC__) && !defined(__clang__)  // g++ 12 warns of uninitialized values inside this header
#    pragma GCC diagnostic ignored "-Wuninitialized"
#    pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

namespace jina_reranker {

namespace {

constexpr size_t kTokens = 8;  // multiplied together: their sums fill the registers

// Sixteen rows of 64 bytes become sixteen columns of four bytes a row.
void transpose(__m512i (&rows)[16]) {
    __m512i other[16];
    for (int64_t i = 0; i < 8; ++i) {
        other[2 * i]     = _mm512_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        other[2 * i + 1] = _mm512_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    for (int64_t i = 0; i < 16; i += 4) {
        rows[i]     = _mm512_unpacklo_epi64(other[i], other[i + 2]);
        rows[i + 1] = _mm512_unpackhi_epi64(other[i], other[i + 2]);
        rows[i + 2] = _mm512_unpacklo_epi64(other[i + 1], other[i + 3]);
        rows[i + 3] = _mm512_unpackhi_epi64(other[i + 1], other[i + 3]);
    }
    for (int64_t i = 0; i < 4; ++i) {
        other[i]      = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0x88);
        other[i + 4]  = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0xdd);
        other[i + 8]  = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0x88);
        other[i + 12] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0xdd);
    }
    for (int64_t i = 0; i < 4; ++i) {
        rows[i]      = _mm512_shuffle_i32x4(other[i], other[i + 8], 0x88);
        rows[i + 4]  = _mm512_shuffle_i32x4(other[i + 4], other[i + 12], 0x88);
        rows[i + 8]  = _mm512_shuffle_i32x4(other[i], other[i + 8], 0xdd);
        rows[i + 12] = _mm512_shuffle_i32x4(other[i + 4], other[i + 12], 0xdd);
    }
}

inline __m512i low_nibbles(__m512i bytes) {
    return _mm512_and_si512(bytes, _mm512_set1_epi8(15));
}

inline __m512i high_nibbles(__m512i bytes) {
    return low_nibbles(_mm512_srli_epi16(bytes, 4));
}

inline void store_quants(MatMulPanel & panel, int64_t column, __m512i quants) {
    _mm512_store_si512(panel.qs[column], quants);
}

// Each 32 bytes of qs hold 64 quants: the first 32 in the low nibbles, the next 32 in the high ones.
void unpack_q4k(const MatMulTask & task, int64_t block, MatMulPanel & panel) {
    for (int64_t row = 0; row < kMatMulRows; ++row) {
        unpack_scales(block_of<BlockQ4K>(task, row, block), row, panel);
    }
    for (int64_t half = 0; half < 2; ++half) {
        __m512i qs[16];
        for (int64_t row = 0; row < 16; ++row) {
            qs[row] = _mm512_loadu_si512(block_of<BlockQ4K>(task, row, block).qs + 64 * half);
        }
        transpose(qs);
        for (int64_t i = 0; i < 16; ++i) {
            const int64_t column = half * 32 + i / 8 * 16 + i % 8;
            store_quants(panel, column, low_nibbles(qs[i]));
            store_quants(panel, column + 8, high_nibbles(qs[i]));
        }
    }
}

// As Q4_K; bit j of the 32 bytes of qh is the fifth bit of the 32 quants of sub-block j.
void unpack_q5k(const MatMulTask & task, int64_t block, MatMulPanel & panel) {
    __m512i qh[16];
    for (int64_t row = 0; row < 16; ++row) {
        const BlockQ5K & weights = block_of<BlockQ5K>(task, row, block);
        unpack_scales(weights, row, panel);
        qh[row] = _mm512_zextsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(weights.qh)));
    }
    transpose(qh);
    const __m512i fifth_bit = _mm512_set1_epi8(16);
    const auto    combine   = [&](__m512i low, int64_t i, int64_t j) {
        const __m128i left  = _mm_cvtsi64_si128(j < 4 ? 4 - j : 0);
        const __m128i right = _mm_cvtsi64_si128(j < 4 ? 0 : j - 4);
        const __m512i high  = _mm512_srl_epi16(_mm512_sll_epi16(qh[i], left), right);
        return _mm512_or_si512(low, _mm512_and_si512(high, fifth_bit));
    };
    for (int64_t half = 0; half < 2; ++half) {
        __m512i qs[16];
        for (int64_t row = 0; row < 16; ++row) {
            qs[row] = _mm512_loadu_si512(block_of<BlockQ5K>(task, row, block).qs + 64 * half);
        }
        transpose(qs);
        for (int64_t i = 0; i < 16; ++i) {
            const int64_t j      = half * 4 + i / 8 * 2;
            const int64_t column = j * 8 + i % 8;
            store_quants(panel, column, combine(low_nibbles(qs[i]), i % 8, j));
            store_quants(panel, column + 8, combine(high_nibbles(qs[i]), i % 8, j + 1));
        }
    }
}

// Each half of a block holds 128 quants. Their lower 4 bits: the first 64 in the low nibbles of 64 bytes of ql, the next 64 in
// the high ones. Their upper 2 bits: those of the i-th 32 quants are bits 2 i and 2 i + 1 of 32 bytes of qh.
void unpack_q6k(const MatMulTask & task, int64_t block, MatMulPanel & panel) {
    __m512i qh[16];
    for (int64_t row = 0; row < 16; ++row) {
        const BlockQ6K & weights = block_of<BlockQ6K>(task, row, block);
        unpack_scales(weights, row, panel);
        qh[row] = _mm512_loadu_si512(weights.qh);
    }
    transpose(qh);
    const __m512i upper_bits = _mm512_set1_epi8(0x30);
    for (int64_t half = 0; half < 2; ++half) {
        __m512i ql[16];
        for (int64_t row = 0; row < 16; ++row) {
            ql[row] = _mm512_loadu_si512(block_of<BlockQ6K>(task, row, block).ql + 64 * half);
        }
        transpose(ql);
        for (int64_t i = 0; i < 8; ++i) {
            const __m512i bits   = qh[half * 8 + i];
            const __m512i first  = _mm512_and_si512(_mm512_slli_epi16(bits, 4), upper_bits);
            const __m512i second = _mm512_and_si512(_mm512_slli_epi16(bits, 2), upper_bits);
            const __m512i third  = _mm512_and_si512(bits, upper_bits);
            const __m512i fourth = _mm512_and_si512(_mm512_srli_epi16(bits, 2), upper_bits);
            const int64_t column = half * 32 + i;
            store_quants(panel, column, _mm512_or_si512(low_nibbles(ql[i]), first));
            store_quants(panel, column + 8, _mm512_or_si512(low_nibbles(ql[i + 8]), second));
            store_quants(panel, column + 16, _mm512_or_si512(high_nibbles(ql[i]), third));
            store_quants(panel, column + 24, _mm512_or_si512(high_nibbles(ql[i + 8]), fourth));
        }
    }
}

// Four activation quants of a token, in every lane.
inline __m512i broadcast_quants(const MatMulInput & input, int64_t column) {
    int32_t quants = 0;
    std::memcpy(&quants, input.qs + 4 * column, sizeof(quants));
    return _mm512_set1_epi32(quants);
}

// The tokens from first to first + n - 1.
template <int64_t kSubBlocks, size_t n>
void multiply_tokens(const MatMulTask & task, const MatMulPanel * panels, int64_t first) {
    constexpr int64_t   kColumns = kMatMulBlock / 4 / kSubBlocks;
    const auto          n_blocks = static_cast<size_t>(task.n_blocks);
    const MatMulInput * input    = task.input + first * task.n_blocks;
    __m512              results[n];
    for (__m512 & result : results) {
        result = _mm512_setzero_ps();
    }
    for (size_t block = 0; block < n_blocks; ++block) {
        const MatMulPanel & panel = panels[block];
        __m512              sums[n];
        for (__m512 & sum : sums) {
            sum = _mm512_setzero_ps();
        }
        for (int64_t j = 0; j < kSubBlocks; ++j) {
            __m512i dots[n];
            for (__m512i & dot : dots) {
                dot = _mm512_setzero_si512();
            }
#pragma GCC unroll 8
            for (int64_t column = j * kColumns; column < (j + 1) * kColumns; ++column) {
                const __m512i weights = _mm512_load_si512(panel.qs[column]);
#pragma GCC unroll 8
                for (size_t token = 0; token < n; ++token) {
                    const __m512i quants = broadcast_quants(input[token * n_blocks + block], column);
                    dots[token]          = _mm512_dpbusd_epi32(dots[token], weights, quants);
                }
            }
            const __m512 scales = _mm512_load_ps(panel.scales[j]);
            const __m512 mins   = _mm512_load_ps(panel.mins[j]);
#pragma GCC unroll 8
            for (size_t token = 0; token < n; ++token) {
                const __m512 bsum = _mm512_set1_ps(bsum_of<kSubBlocks>(input[token * n_blocks + block], j));
                sums[token]       = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[token]), scales, sums[token]);
                sums[token]       = _mm512_fnmadd_ps(mins, bsum, sums[token]);
            }
        }
#pragma GCC unroll 8
        for (size_t token = 0; token < n; ++token) {
            const __m512 d = _mm512_set1_ps(input[token * n_blocks + block].d);
            results[token] = _mm512_fmadd_ps(sums[token], d, results[token]);
        }
    }
    const auto rows = static_cast<__mmask16>((1U << task.n_rows) - 1);
    char *     out  = task.out + static_cast<size_t>(first) * task.out_stride;
    for (size_t token = 0; token < n; ++token) {
        _mm512_mask_storeu_ps(out + token * task.out_stride, rows, results[token]);
    }
}

// The last tokens, fewer than kTokens.
template <int64_t kSubBlocks, size_t n = kTokens - 1>
void multiply_rest(const MatMulTask & task, const MatMulPanel * panels, int64_t first) {
    if (task.n_tokens - first == static_cast<int64_t>(n)) {
        multiply_tokens<kSubBlocks, n>(task, panels, first);
    } else if constexpr (n > 1) {
        multiply_rest<kSubBlocks, n - 1>(task, panels, first);
    }
}

template <int64_t kSubBlocks>
void multiply_panels(const MatMulTask & task, const MatMulPanel * panels) {
    constexpr auto kStep = static_cast<int64_t>(kTokens);
    int64_t        first = 0;
    for (; first + kStep <= task.n_tokens; first += kStep) {
        multiply_tokens<kSubBlocks, kTokens>(task, panels, first);
    }
    multiply_rest<kSubBlocks>(task, panels, first);
}

void multiply(const MatMulTask & task, MatMulPanel * panels) {
    for (int64_t block = 0; block < task.n_blocks; ++block) {
        if (task.type == GGML_TYPE_Q4_K) {
            unpack_q4k(task, block, panels[block]);
        } else if (task.type == GGML_TYPE_Q5_K) {
            unpack_q5k(task, block, panels[block]);
        } else {
            unpack_q6k(task, block, panels[block]);
        }
    }
    if (task.type == GGML_TYPE_Q6_K) {
        multiply_panels<16>(task, panels);
    } else {
        multiply_panels<8>(task, panels);
    }
}

}  // namespace

MatMulKernel matmul_avx512vnni() {
    return { quantize, multiply };
}

}  // namespace jina_reranker
