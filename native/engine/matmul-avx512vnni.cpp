// Lanes are rows of weights: a token's sums run over the numbers of a row in their order, in lanes of their own, and each
// multiplication and addition is compiled in one place, so that its bits do not depend on the tokens beside it.
// Weights are spread out once for all tokens; 4 x 16 products are then one instruction.

#include "matmul-blocks.h"
#include "matmul-kernel.h"

#if defined(__GNUC__) && !defined(__clang__)  // g++ 12 finds numbers without a value in this header
#    pragma GCC diagnostic ignored "-Wuninitialized"
#    pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>

#include <cstring>

namespace jina_reranker {

namespace {

constexpr size_t kTokens = 8;  // taken together: as many sums as there are registers for

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

inline __m512i low_bits(__m512i bytes) {
    return _mm512_and_si512(bytes, _mm512_set1_epi8(15));
}

inline __m512i high_bits(__m512i bytes) {
    return low_bits(_mm512_srli_epi16(bytes, 4));
}

inline void store_numbers(MatMulPanel & panel, int64_t column, __m512i numbers) {
    _mm512_store_si512(panel.numbers[column], numbers);
}

// Numbers 64 i to 64 i + 31 are the lower halves of 32 bytes, 64 i + 32 to 64 i + 63 the upper ones.
void spread_q4k(const MatMulTask & task, int64_t block, MatMulPanel & panel) {
    for (int64_t row = 0; row < kMatMulRows; ++row) {
        spread_scales(block_of<BlockQ4K>(task, row, block), row, panel);
    }
    for (int64_t half = 0; half < 2; ++half) {
        __m512i bytes[16];
        for (int64_t row = 0; row < 16; ++row) {
            bytes[row] = _mm512_loadu_si512(block_of<BlockQ4K>(task, row, block).low + 64 * half);
        }
        transpose(bytes);
        for (int64_t i = 0; i < 16; ++i) {
            const int64_t column = half * 32 + i / 8 * 16 + i % 8;
            store_numbers(panel, column, low_bits(bytes[i]));
            store_numbers(panel, column + 8, high_bits(bytes[i]));
        }
    }
}

// As Q4_K; the fifth bit of numbers 32 i to 32 i + 31 is bit i of 32 bytes.
void spread_q5k(const MatMulTask & task, int64_t block, MatMulPanel & panel) {
    __m512i high[16];
    for (int64_t row = 0; row < 16; ++row) {
        const BlockQ5K & own = block_of<BlockQ5K>(task, row, block);
        spread_scales(own, row, panel);
        high[row] = _mm512_zextsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i *>(own.high)));
    }
    transpose(high);
    const __m512i fifth  = _mm512_set1_epi8(16);
    const auto    number = [&](__m512i low, int64_t i, int64_t part) {
        const __m128i left  = _mm_cvtsi64_si128(part < 4 ? 4 - part : 0);
        const __m128i right = _mm_cvtsi64_si128(part < 4 ? 0 : part - 4);
        return _mm512_or_si512(low, _mm512_and_si512(_mm512_srl_epi16(_mm512_sll_epi16(high[i], left), right), fifth));
    };
    for (int64_t half = 0; half < 2; ++half) {
        __m512i bytes[16];
        for (int64_t row = 0; row < 16; ++row) {
            bytes[row] = _mm512_loadu_si512(block_of<BlockQ5K>(task, row, block).low + 64 * half);
        }
        transpose(bytes);
        for (int64_t i = 0; i < 16; ++i) {
            const int64_t part   = half * 4 + i / 8 * 2;
            const int64_t column = part * 8 + i % 8;
            store_numbers(panel, column, number(low_bits(bytes[i]), i % 8, part));
            store_numbers(panel, column + 8, number(high_bits(bytes[i]), i % 8, part + 1));
        }
    }
}

// In each half of a block: the lower four bits of numbers 0 to 63 are the lower halves of 64 bytes, of 64 to 127 the upper
// ones; the upper two bits of numbers 32 i to 32 i + 31 are bits 2 i and 2 i + 1 of 32 bytes.
void spread_q6k(const MatMulTask & task, int64_t block, MatMulPanel & panel) {
    __m512i high[16];
    for (int64_t row = 0; row < 16; ++row) {
        const BlockQ6K & own = block_of<BlockQ6K>(task, row, block);
        spread_scales(own, row, panel);
        high[row] = _mm512_loadu_si512(own.high);
    }
    transpose(high);
    const __m512i upper = _mm512_set1_epi8(0x30);
    for (int64_t half = 0; half < 2; ++half) {
        __m512i bytes[16];
        for (int64_t row = 0; row < 16; ++row) {
            bytes[row] = _mm512_loadu_si512(block_of<BlockQ6K>(task, row, block).low + 64 * half);
        }
        transpose(bytes);
        for (int64_t i = 0; i < 8; ++i) {
            const __m512i bits   = high[half * 8 + i];
            const __m512i first  = _mm512_and_si512(_mm512_slli_epi16(bits, 4), upper);
            const __m512i second = _mm512_and_si512(_mm512_slli_epi16(bits, 2), upper);
            const __m512i third  = _mm512_and_si512(bits, upper);
            const __m512i fourth = _mm512_and_si512(_mm512_srli_epi16(bits, 2), upper);
            const int64_t column = half * 32 + i;
            store_numbers(panel, column, _mm512_or_si512(low_bits(bytes[i]), first));
            store_numbers(panel, column + 8, _mm512_or_si512(low_bits(bytes[i + 8]), second));
            store_numbers(panel, column + 16, _mm512_or_si512(high_bits(bytes[i]), third));
            store_numbers(panel, column + 24, _mm512_or_si512(high_bits(bytes[i + 8]), fourth));
        }
    }
}

inline __m512i four_of(const MatMulInput & input, int64_t column) {
    int32_t numbers = 0;
    std::memcpy(&numbers, input.numbers + 4 * column, sizeof(numbers));
    return _mm512_set1_epi32(numbers);
}

// n tokens from the first on.
template <int64_t kParts, size_t n>
void multiply_tokens(const MatMulTask & task, const MatMulPanel * panels, int64_t first) {
    constexpr int64_t   kColumns = kMatMulBlock / 4 / kParts;
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
        for (int64_t part = 0; part < kParts; ++part) {
            __m512i products[n];
            for (__m512i & product : products) {
                product = _mm512_setzero_si512();
            }
#pragma GCC unroll 8
            for (int64_t column = part * kColumns; column < (part + 1) * kColumns; ++column) {
                const __m512i weights = _mm512_load_si512(panel.numbers[column]);
#pragma GCC unroll 8
                for (size_t token = 0; token < n; ++token) {
                    const __m512i four = four_of(input[token * n_blocks + block], column);
                    products[token]    = _mm512_dpbusd_epi32(products[token], weights, four);
                }
            }
            const __m512 scales  = _mm512_load_ps(panel.scales[part]);
            const __m512 offsets = _mm512_load_ps(panel.offsets[part]);
#pragma GCC unroll 8
            for (size_t token = 0; token < n; ++token) {
                const __m512 total = _mm512_set1_ps(sum_of<kParts>(input[token * n_blocks + block], part));
                sums[token]        = _mm512_fmadd_ps(_mm512_cvtepi32_ps(products[token]), scales, sums[token]);
                sums[token]        = _mm512_fnmadd_ps(offsets, total, sums[token]);
            }
        }
#pragma GCC unroll 8
        for (size_t token = 0; token < n; ++token) {
            const __m512 scale = _mm512_set1_ps(input[token * n_blocks + block].scale);
            results[token]     = _mm512_fmadd_ps(sums[token], scale, results[token]);
        }
    }
    const auto rows = static_cast<__mmask16>((1U << task.n_rows) - 1);
    char *     out  = task.out + static_cast<size_t>(first) * task.out_stride;
    for (size_t token = 0; token < n; ++token) {
        _mm512_mask_storeu_ps(out + token * task.out_stride, rows, results[token]);
    }
}

// What is left over after whole groups.
template <int64_t kParts, size_t n = kTokens - 1>
void multiply_rest(const MatMulTask & task, const MatMulPanel * panels, int64_t first) {
    if (task.n_tokens - first == static_cast<int64_t>(n)) {
        multiply_tokens<kParts, n>(task, panels, first);
    } else if constexpr (n > 1) {
        multiply_rest<kParts, n - 1>(task, panels, first);
    }
}

template <int64_t kParts>
void multiply_panels(const MatMulTask & task, const MatMulPanel * panels) {
    constexpr auto kStep = static_cast<int64_t>(kTokens);
    int64_t        first = 0;
    for (; first + kStep <= task.n_tokens; first += kStep) {
        multiply_tokens<kParts, kTokens>(task, panels, first);
    }
    multiply_rest<kParts>(task, panels, first);
}

void multiply(const MatMulTask & task, MatMulPanel * panels) {
    for (int64_t block = 0; block < task.n_blocks; ++block) {
        if (task.type == GGML_TYPE_Q4_K) {
            spread_q4k(task, block, panels[block]);
        } else if (task.type == GGML_TYPE_Q5_K) {
            spread_q5k(task, block, panels[block]);
        } else {
            spread_q6k(task, block, panels[block]);
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
