#pragma once

// The sizes that a batch is padded to where ggml computes it on a GPU: few, so that graphs of the same shape come again, which
// CUDA records and replays, and with bounded waste. Pure.

#include <cstdint>

namespace jina_reranker {

// n rounded up to a multiple of `least`, a power of two, or of an eighth of the power of two below n if that is more. So
// what is added is less than `least` or less than an eighth of n.
constexpr int32_t padded(int32_t n, int32_t least) {
    int64_t step = least;
    while (16 * step < n) {
        step *= 2;
    }
    return static_cast<int32_t>((n + step - 1) / step * step);
}

// Of a batch, and of its rows to score.
constexpr int32_t padded_rows(int32_t n_rows) {
    return padded(n_rows, 16);
}

constexpr int32_t kShortCells    = 1024;
constexpr int32_t kCellStep      = 64;
constexpr int32_t kLongCellStep  = 256;  // CUDA's attention shares K and V among query heads for multiples of it
constexpr int32_t kCellsForPairs = 1024;

// Cells that a pair of so many tokens attends to, gathered and masked.
constexpr int32_t padded_cells(int32_t n_tokens) {
    return padded(n_tokens, n_tokens > kShortCells ? kLongCellStep : kCellStep);
}

// The most tokens whose padded_cells() are at most n_cells.
constexpr int32_t tokens_within(int32_t n_cells) {
    int64_t step = n_cells > kShortCells ? kLongCellStep : kCellStep;
    while (n_cells > kShortCells && 16 * step <= n_cells) {
        step *= 2;
    }
    return static_cast<int32_t>(n_cells / step * step);
}

// Of a group, whose pairs have n_cells each: pairs of fewer than kCellsForPairs cells are added, or less than an eighth.
constexpr int32_t padded_pairs(int32_t n_pairs, int32_t n_cells) {
    int32_t least = 1;
    while (2 * least * n_cells <= kCellsForPairs) {
        least *= 2;
    }
    return padded(n_pairs, least);
}

}  // namespace jina_reranker
