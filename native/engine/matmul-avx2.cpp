// The product for AVX2, which multiplies pairs of bytes: the sum of two products takes 16 bits. As many of these sums are added
// up in 16 bits as cannot exceed them. Otherwise as matmul-avx512vnni.cpp, with the same bits as results.

#include "matmul-blocks.h"
#include "matmul-kernel.h"
#include "matmul-panel.h"

namespace jina_reranker {

namespace {

constexpr size_t  kTokens = 3;                // multiplied together: their sums fill the registers
constexpr size_t  kHalves = 2;                // of a panel's rows: a vector holds eight
constexpr int64_t kRows   = kMatMulRows / 2;  // in a half

// A block of one row to bytes, in the order of the quants. matmul-avx512vnni.cpp says how each type packs them.
void unpack_quants(const BlockQ4K & block, uint8_t * quants) {
    for (int64_t j = 0; j < 8; ++j) {
        const uint8_t * qs    = block.qs + j / 2 * 32;
        const int64_t   shift = j % 2 * 4;
        for (int64_t i = 0; i < 32; ++i) {
            quants[j * 32 + i] = static_cast<uint8_t>(qs[i] >> shift & 15);
        }
    }
}

void unpack_quants(const BlockQ5K & block, uint8_t * quants) {
    for (int64_t j = 0; j < 8; ++j) {
        const uint8_t * qs    = block.qs + j / 2 * 32;
        const int64_t   shift = j % 2 * 4;
        for (int64_t i = 0; i < 32; ++i) {
            const int fifth_bit = block.qh[i] >> j & 1;
            quants[j * 32 + i]  = static_cast<uint8_t>((qs[i] >> shift & 15) | fifth_bit << 4);
        }
    }
}

void unpack_quants(const BlockQ6K & block, uint8_t * quants) {
    for (int64_t j = 0; j < 8; ++j) {
        const uint8_t * ql    = block.ql + j / 4 * 64 + j % 2 * 32;
        const uint8_t * qh    = block.qh + j / 4 * 32;
        const int64_t   shift = j % 4 / 2 * 4;
        for (int64_t i = 0; i < 32; ++i) {
            const int64_t upper_bits = qh[i] >> j % 4 * 2 & 3;
            quants[j * 32 + i]       = static_cast<uint8_t>((ql[i] >> shift & 15) | upper_bits << 4);
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
void unpack(const MatMulTask & task, MatMulPanel * panels) {
    alignas(32) uint8_t quants[kRows][kMatMulBlock];
    for (int64_t block = 0; block < task.n_blocks; ++block) {
        MatMulPanel & panel = panels[block];
        for (int64_t first = 0; first < kMatMulRows; first += kRows) {
            for (int64_t row = 0; row < kRows; ++row) {
                const Block & weights = block_of<Block>(task, first + row, block);
                unpack_scales(weights, first + row, panel);
                unpack_quants(weights, quants[row]);
            }
            for (int64_t column = 0; column < kMatMulBlock / 4; column += 8) {
                __m256i rows[8];
                for (int64_t row = 0; row < kRows; ++row) {
                    rows[row] = _mm256_load_si256(reinterpret_cast<const __m256i *>(&quants[row][4 * column]));
                }
                transpose(rows);
                for (int64_t i = 0; i < 8; ++i) {
                    _mm256_store_si256(reinterpret_cast<__m256i *>(panel.qs[column + i][first]), rows[i]);
                }
            }
        }
    }
}

// Four activation quants of a token, in every lane.
inline __m256i broadcast_quants(const MatMulInput & input, int64_t column) {
    int32_t quants = 0;
    std::memcpy(&quants, input.qs + 4 * column, sizeof(quants));
    return _mm256_set1_epi32(quants);
}

inline __m256i load_half(const MatMulPanel & panel, int64_t column, int64_t half) {
    return _mm256_load_si256(reinterpret_cast<const __m256i *>(panel.qs[column][half * kRows]));
}

// The tokens from first to first + n - 1. kDepth: columns whose products are added up in 16 bits.
template <int64_t kSubBlocks, int64_t kDepth, size_t n>
void multiply_tokens(const MatMulTask & task, const MatMulPanel * panels, int64_t first) {
    constexpr int64_t   kColumns = kMatMulBlock / 4 / kSubBlocks;
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
        for (int64_t j = 0; j < kSubBlocks; ++j) {
            __m256i dots[n][kHalves];
            for (auto & dot : dots) {
                dot[0] = dot[1] = _mm256_setzero_si256();
            }
            for (int64_t begin = j * kColumns; begin < (j + 1) * kColumns; begin += kDepth) {
                __m256i pairs[n][kHalves];
                for (auto & pair : pairs) {
                    pair[0] = pair[1] = _mm256_setzero_si256();
                }
#pragma GCC unroll 1  // unrolled, g++ reorders the sums and spills registers
                for (int64_t column = begin; column < begin + kDepth; ++column) {
                    const __m256i lower = load_half(panel, column, 0);
                    const __m256i upper = load_half(panel, column, 1);
#pragma GCC unroll 4
                    for (size_t token = 0; token < n; ++token) {
                        const __m256i quants = broadcast_quants(input[token * n_blocks + block], column);
                        pairs[token][0]      = _mm256_add_epi16(pairs[token][0], _mm256_maddubs_epi16(lower, quants));
                        pairs[token][1]      = _mm256_add_epi16(pairs[token][1], _mm256_maddubs_epi16(upper, quants));
                    }
                }
#pragma GCC unroll 4
                for (size_t token = 0; token < n; ++token) {
                    for (size_t half = 0; half < kHalves; ++half) {
                        const __m256i sums_of_four = _mm256_madd_epi16(pairs[token][half], ones);
                        dots[token][half]          = _mm256_add_epi32(dots[token][half], sums_of_four);
                    }
                }
            }
#pragma GCC unroll 4
            for (size_t token = 0; token < n; ++token) {
                const __m256 bsum = _mm256_set1_ps(bsum_of<kSubBlocks>(input[token * n_blocks + block], j));
                for (size_t half = 0; half < kHalves; ++half) {
                    const auto   row    = static_cast<int64_t>(half) * kRows;
                    const __m256 scales = _mm256_load_ps(panel.scales[j] + row);
                    const __m256 mins   = _mm256_load_ps(panel.mins[j] + row);
                    const __m256 dot    = _mm256_cvtepi32_ps(dots[token][half]);
                    sums[token][half]   = _mm256_fmadd_ps(dot, scales, sums[token][half]);
                    sums[token][half]   = _mm256_fnmadd_ps(mins, bsum, sums[token][half]);
                }
            }
        }
        for (size_t token = 0; token < n; ++token) {
            const __m256 d    = _mm256_set1_ps(input[token * n_blocks + block].d);
            results[token][0] = _mm256_fmadd_ps(sums[token][0], d, results[token][0]);
            results[token][1] = _mm256_fmadd_ps(sums[token][1], d, results[token][1]);
        }
    }
    char * out = task.out + static_cast<size_t>(first) * task.out_stride;
    for (size_t token = 0; token < n; ++token) {
        std::memcpy(out + token * task.out_stride, results[token], static_cast<size_t>(task.n_rows) * sizeof(float));
    }
}

// The last tokens, fewer than kTokens.
template <int64_t kSubBlocks, int64_t kDepth, size_t n = kTokens - 1>
void multiply_rest(const MatMulTask & task, const MatMulPanel * panels, int64_t first) {
    if (task.n_tokens - first == static_cast<int64_t>(n)) {
        multiply_tokens<kSubBlocks, kDepth, n>(task, panels, first);
    } else if constexpr (n > 1) {
        multiply_rest<kSubBlocks, kDepth, n - 1>(task, panels, first);
    }
}

// kMaxQuant: the largest quant of a weight.
template <typename Block, int64_t kSubBlocks, int64_t kMaxQuant>
void multiply_type(const MatMulTask & task, MatMulPanel * panels) {
    constexpr int64_t kMostColumns = INT16_MAX / (2 * kMaxQuant * 127);
    constexpr int64_t kDepth       = kMostColumns >= 8 ? 8 : kMostColumns >= 4 ? 4 : kMostColumns >= 2 ? 2 : 1;
    constexpr auto    kStep        = static_cast<int64_t>(kTokens);
    int64_t           first        = 0;
    unpack<Block>(task, panels);
    for (; first + kStep <= task.n_tokens; first += kStep) {
        multiply_tokens<kSubBlocks, kDepth, kTokens>(task, panels, first);
    }
    multiply_rest<kSubBlocks, kDepth>(task, panels, first);
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
