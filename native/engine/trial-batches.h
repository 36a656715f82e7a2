#pragma once

// Batches without meaning that a forward pass is tried out with at load: those of which one needs the most memory, and some of
// each size. Pure.

#include "batch.h"

#include <cstdint>
#include <vector>

namespace jina_reranker {

struct TrialLimits {
    int32_t n_batch   = 512;  // rows of the largest batch
    int32_t n_pairs   = 32;   // pairs of the largest batch
    int32_t n_context = 512;  // tokens of the longest pair
    int32_t n_cells   = 0;    // padded_cells() of the largest batch; 0 = they take no memory
    int32_t n_embd    = 0;    // numbers of a row that is an embedding; 0 = rows are tokens
    int32_t page      = 0;    // takes the K and V of all rows
};

class TrialBatches {
  public:
    explicit TrialBatches(const TrialLimits & limits) : limits_(limits) {}

    // The last rows of the longest pair, few.
    Batch end_of_longest() const;

    // Full ones: of many pairs or of few, behind as many cells as there may be; beside the longest pair, which has none of the rows,
    // one more than half of them, which is rounded up most (GroupedAttention), or all.
    std::vector<Batch> largest() const;

    // Half of the rows are of new pairs, half of known ones.
    Batch mixed(int32_t n_rows) const;

  private:
    void  add(Batch & batch, int32_t n_rows, int32_t n_past) const;
    void  add_pairs(Batch & batch, int32_t n_rows, int32_t n_pairs, int32_t n_past) const;
    Batch full(int32_t n_long, int32_t n_pairs) const;

    TrialLimits limits_;
};

}  // namespace jina_reranker
