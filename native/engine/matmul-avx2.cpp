// As matmul-avx512vnni.cpp, for processors that multiply bytes in pairs: the sum of two products takes 16 bits, and as many
// of them are added up in 16 bits as cannot exceed these.

#include "matmul-blocks.h"
#include "matmul-kernel.h"

namespace jina_reranker {

namespace {

constexpr size_t  kTokens = 3;                // taken together: as many sums as there are registers for
constexpr size_t  kHalves = 2;                // of a panel's rows: a vector holds eight
constexpr int64_t kRows   = kMatMulRows / 2;  // in a half

// As matmul-avx512vnni.cpp says of each.
void spread_row(const BlockQ4K & block, uint8_t * numbers) {
    for (int64_t part = 0; part < 8; ++part) {
        const uint8_t * low   = block.low + part / 2 * 32;
        const int64_t   shift = part % 2 * 4;
        for (int64_t i = 0; i < 32; ++i) {
            numbers[part * 32 + i] = static_cast<uint8_t>(low[i] >> shift & 15);
        }
    }
}

void spread_row(const BlockQ5K & block, uint8_t * numbers) {
    for (int64_t part = 0; part < 8; ++part) {
        const uint8_t * low   = block.low + part / 2 * 32;
        const int64_t   shift = part % 2 * 4;
        for (int64_t i = 0; i < 32; ++i) {
            const int fifth        = block.high[i] >> part & 1;
            numbers[part * 32 + i] = static_cast<uint8_t>((low[i] >> shift & 15) | fifth << 4);
        }
    }
}

void spread_row(const BlockQ6K & block, uint8_t * numbers) {
    for (int64_t part = 0; part < 8; ++part) {
        const uint8_t * low   = block.low + part / 4 * 64 + part % 2 * 32;
        const uint8_t * high  = block.high + part / 4 * 32;
        const int64_t   shift = part % 4 / 2 * 4;
        for (int64_t i = 0; i < 32; ++i) {
            const int64_t upper    = high[i] >> part % 4 * 2 & 3;
            numbers[part * 32 + i] = static_cast<uint8_t>((low[i] >> shift & 15) | upper << 4);
        }
    }
}

// Eight rows of 32 bytes become eight columns of four bytes a row.
void transpose(__m256i (&rows)[8]) {
    __m256i other[8];
    for (int64_t i = 0; i < 4; ++i) {
        other[2 * i]     = _mm256_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);
        other[2 * i + 1] = _mm256_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);
    }
    for (int64_t i = 0; i < 8; i += 4) {
        rows[i]     = _mm256_unpacklo_epi64(other[i], other[i + 2]);
        rows[i + 1] = _mm256_unpackhi_epi64(other[i], other[i + 2]);
        rows[i + 2] = _mm256_unpacklo_epi64(other[i + 1], other[i + 3]);
        rows[i + 3] = _mm256_unpackhi_epi64(other[i + 1], other[i + 3]);
    }
    for (int64_t i = 0; i < 4; ++i) {
        other[i]     = _mm256_permute2x128_si256(rows[i], rows[i + 4], 0x20);
        other[i + 4] = _mm256_permute2x128_si256(rows[i], rows[i + 4], 0x31);
    }
    for (int64_t i = 0; i < 8; ++i) {
        rows[i] = other[i];
    }
}

template <typename Block>
void spread(const MatMulTask & task, MatMulPanel * panels) {
    alignas(32) uint8_t numbers[kRows][kMatMulBlock];
    for (int64_t block = 0; block < task.n_blocks; ++block) {
        MatMulPanel & panel = panels[block];
        for (int64_t first = 0; first < kMatMulRows; first += kRows) {
            for (int64_t row = 0; row < kRows; ++row) {
                const Block & own = block_of<Block>(task, first + row, block);
                spread_scales(own, first + row, panel);
                spread_row(own, numbers[row]);
            }
            for (int64_t column = 0; column < kMatMulBlock / 4; column += 8) {
                __m256i rows[8];
                for (int64_t row = 0; row < kRows; ++row) {
                    rows[row] = _mm256_load_si256(reinterpret_cast<const __m256i *>(&numbers[row][4 * column]));
                }
                transpose(rows);
                for (int64_t i = 0; i < 8; ++i) {
                    _mm256_store_si256(reinterpret_cast<__m256i *>(panel.numbers[column + i][first]), rows[i]);
                }
            }
        }
    }
}

inline __m256i four_of(const MatMulInput & input, int64_t column) {
    int32_t numbers = 0;
    std::memcpy(&numbers, input.numbers + 4 * column, sizeof(numbers));
    return _mm256_set1_epi32(numbers);
}

inline __m256i half_of(const MatMulPanel & panel, int64_t column, int64_t half) {
    return _mm256_load_si256(reinterpret_cast<const __m256i *>(panel.numbers[column][half * kRows]));
}

// n tokens from the first on. kDepth: columns whose products are added up in 16 bits.
template <int64_t kParts, int64_t kDepth, size_t n>
void multiply_tokens(const MatMulTask & task, const MatMulPanel * panels, int64_t first) {
    constexpr int64_t   kColumns = kMatMulBlock / 4 / kParts;
    const auto          n_blocks = static_cast<size_t>(task.n_blocks);
    const MatMulInput * input    = task.input + first * task.n_blocks;
    const __m256i       ones     = _mm256_set1_epi16(1);
    __m256              results[n][kHalves];
    for (auto & result : results) {
        result[0] = result[1] = _mm256_setzero_ps();
    }
    for (size_t block = 0; block < n_blocks; ++block) {
        const MatMulPanel & panel = panels[block];
        __m256              sums[n][kHalves];
        for (auto & sum : sums) {
            sum[0] = sum[1] = _mm256_setzero_ps();
        }
        for (int64_t part = 0; part < kParts; ++part) {
            __m256i products[n][kHalves];
            for (auto & product : products) {
                product[0] = product[1] = _mm256_setzero_si256();
            }
            for (int64_t begin = part * kColumns; begin < (part + 1) * kColumns; begin += kDepth) {
                __m256i pairs[n][kHalves];
                for (auto & pair : pairs) {
                    pair[0] = pair[1] = _mm256_setzero_si256();
                }
#pragma GCC unroll 1  // unrolled, g++ orders the sums anew, and has too few registers for it
                for (int64_t column = begin; column < begin + kDepth; ++column) {
                    const __m256i lower = half_of(panel, column, 0);
                    const __m256i upper = half_of(panel, column, 1);
#pragma GCC unroll 4
                    for (size_t token = 0; token < n; ++token) {
                        const __m256i four = four_of(input[token * n_blocks + block], column);
                        pairs[token][0]    = _mm256_add_epi16(pairs[token][0], _mm256_maddubs_epi16(lower, four));
                        pairs[token][1]    = _mm256_add_epi16(pairs[token][1], _mm256_maddubs_epi16(upper, four));
                    }
                }
#pragma GCC unroll 4
                for (size_t token = 0; token < n; ++token) {
                    for (size_t half = 0; half < kHalves; ++half) {
                        const __m256i four    = _mm256_madd_epi16(pairs[token][half], ones);
                        products[token][half] = _mm256_add_epi32(products[token][half], four);
                    }
                }
            }
#pragma GCC unroll 4
            for (size_t token = 0; token < n; ++token) {
                const __m256 total = _mm256_set1_ps(sum_of<kParts>(input[token * n_blocks + block], part));
                for (size_t half = 0; half < kHalves; ++half) {
                    const auto   row     = static_cast<int64_t>(half) * kRows;
                    const __m256 scales  = _mm256_load_ps(panel.scales[part] + row);
                    const __m256 offsets = _mm256_load_ps(panel.offsets[part] + row);
                    const __m256 product = _mm256_cvtepi32_ps(products[token][half]);
                    sums[token][half]    = _mm256_fmadd_ps(product, scales, sums[token][half]);
                    sums[token][half]    = _mm256_fnmadd_ps(offsets, total, sums[token][half]);
                }
            }
        }
        for (size_t token = 0; token < n; ++token) {
            const __m256 scale = _mm256_set1_ps(input[token * n_blocks + block].scale);
            results[token][0]  = _mm256_fmadd_ps(sums[token][0], scale, results[token][0]);
            results[token][1]  = _mm256_fmadd_ps(sums[token][1], scale, results[token][1]);
        }
    }
    char * out = task.out + static_cast<size_t>(first) * task.out_stride;
    for (size_t token = 0; token < n; ++token) {
        std::memcpy(out + token * task.out_stride, results[token], static_cast<size_t>(task.n_rows) * sizeof(float));
    }
}

// What is left over after whole groups.
template <int64_t kParts, int64_t kDepth, size_t n = kTokens - 1>
void multiply_rest(const MatMulTask & task, const MatMulPanel * panels, int64_t first) {
    if (task.n_tokens - first == static_cast<int64_t>(n)) {
        multiply_tokens<kParts, kDepth, n>(task, panels, first);
    } else if constexpr (n > 1) {
        multiply_rest<kParts, kDepth, n - 1>(task, panels, first);
    }
}

// kLargest: of the weights' numbers, before their scale.
template <typename Block, int64_t kParts, int64_t kLargest>
void multiply_type(const MatMulTask & task, MatMulPanel * panels) {
    constexpr int64_t kMost  = INT16_MAX / (2 * kLargest * 127);
    constexpr int64_t kDepth = kMost >= 8 ? 8 : kMost >= 4 ? 4 : kMost >= 2 ? 2 : 1;
    constexpr auto    kStep  = static_cast<int64_t>(kTokens);
    int64_t           first  = 0;
    spread<Block>(task, panels);
    for (; first + kStep <= task.n_tokens; first += kStep) {
        multiply_tokens<kParts, kDepth, kTokens>(task, panels, first);
    }
    multiply_rest<kParts, kDepth>(task, panels, first);
}

void multiply(const MatMulTask & task, MatMulPanel * panels) {
    if (task.type == GGML_TYPE_Q4_K) {
        multiply_type<BlockQ4K, 8, 15>(task, panels);
    } else if (task.type == GGML_TYPE_Q5_K) {
        multiply_type<BlockQ5K, 8, 31>(task, panels);
    } else {
        multiply_type<BlockQ6K, 16, 63>(task, panels);
    }
}

}  // namespace

MatMulKernel matmul_avx2() {
    return { quantize, multiply };
}

}  // namespace jina_reranker
