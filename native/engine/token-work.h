#pragma once

// What a token costs to compute: attention grows with the KV cells before it, everything else does not. Work is counted in
// tokens that attend to nothing, so that a batch of a long pair's end and one of short pairs can be compared.

#include <cmath>
#include <cstdint>
#include <limits>

namespace jina_reranker {

class TokenWork {
  public:
    // attention_cells, above 0: to attend to so many KV cells costs as much as everything else that is computed for a token.
    explicit TokenWork(double attention_cells = std::numeric_limits<double>::infinity()) :
        attention_cells_(attention_cells) {}

    // The work of a pair's tokens from begin to end.
    double of(int64_t begin, int64_t end) const {
        const auto n_tokens = static_cast<double>(end - begin);
        return n_tokens + n_tokens * static_cast<double>(begin + end) / 2 / attention_cells_;
    }

    // The most tokens from begin on whose work is not more than `work`.
    int64_t tokens_within(double work, int64_t begin) const {
        if (std::isinf(attention_cells_)) {
            return static_cast<int64_t>(work);
        }
        // of(begin, begin + n) = work, solved for n.
        const double linear = 1 + static_cast<double>(begin) / attention_cells_;
        return static_cast<int64_t>(2 * work / (linear + std::sqrt(linear * linear + 2 * work / attention_cells_)));
    }

  private:
    double attention_cells_;
};

}  // namespace jina_reranker
