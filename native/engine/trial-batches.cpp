#include "trial-batches.h"

#include "batch-shape.h"

#include <algorithm>

namespace jina_reranker {

// A pair of n_rows times the same token, or the same embedding, behind n_past others, which is scored.
void TrialBatches::add(Batch & batch, int32_t n_rows, int32_t n_past) const {
    const auto n = static_cast<size_t>(n_rows);
    MixedRows  rows;
    rows.tokens.assign(n, limits_.n_embd > 0 ? -1 : 0);
    rows.positions.assign(n, { n_past, n_past, n_past });
    rows.embeddings.assign(n * static_cast<size_t>(limits_.n_embd), 1.0f);
    batch.add(rows, n_past, std::vector<int32_t>(static_cast<size_t>(pages_of(n_past + n_rows)), limits_.page), true);
}

// n_rows in as many pairs of as equal length, each behind n_past tokens.
void TrialBatches::add_pairs(Batch & batch, int32_t n_rows, int32_t n_pairs, int32_t n_past) const {
    for (int32_t pair = 0; pair < n_pairs; ++pair) {
        add(batch, n_rows / n_pairs + (pair < n_rows % n_pairs ? 1 : 0), n_past);
    }
}

Batch TrialBatches::end_of_longest() const {
    const int32_t n_rows = std::min(kPageTokens, limits_.n_batch);
    Batch         batch;
    add(batch, n_rows, limits_.n_cells > 0 ? std::max(0, limits_.n_context - n_rows) : 0);
    return batch;
}

// n_long rows of a pair that fills the context, the others in n_pairs pairs behind as many tokens as cells are left for.
Batch TrialBatches::full(int32_t n_long, int32_t n_pairs) const {
    Batch   batch;
    int32_t n_cells = limits_.n_cells;
    if (n_long > 0) {
        add(batch, n_long, std::max(0, limits_.n_context - n_long));
        n_cells = std::max(0, n_cells - padded_cells(limits_.n_context));
    }
    const int32_t n_rows = limits_.n_batch - n_long;
    n_pairs              = std::min({ n_pairs, n_rows, limits_.n_pairs - (n_long > 0 ? 1 : 0) });
    if (n_pairs > 0) {
        const int32_t n_tokens = std::min(limits_.n_context, tokens_within(n_cells / n_pairs));
        add_pairs(batch, n_rows, n_pairs, std::max(0, n_tokens - n_rows / n_pairs - 1));
    }
    return batch;
}

std::vector<Batch> TrialBatches::largest() const {
    const int32_t      n_few = std::clamp(limits_.n_cells / limits_.n_context, 1, limits_.n_pairs);
    std::vector<Batch> batches;
    for (const int32_t n_long : { 0, std::min(limits_.n_batch / 2 + 1, limits_.n_batch), limits_.n_batch }) {
        for (const int32_t n_pairs : { limits_.n_pairs, n_few }) {
            batches.push_back(full(n_long, n_pairs));
        }
    }
    return batches;
}

Batch TrialBatches::mixed(int32_t n_rows) const {
    constexpr int32_t kDocument = 128;  // tokens
    const int32_t     n_new     = n_rows / 2;
    const int32_t     n_known   = n_rows - n_new;
    const auto        pairs     = [&](int32_t n, int32_t n_of_pair) {
        return std::clamp(n / n_of_pair, 1, std::max(1, limits_.n_pairs / 2));
    };
    Batch batch;
    add_pairs(batch, n_known, pairs(n_known, kPageTokens),
              std::min(kDocument, std::max(0, limits_.n_context - n_known)));
    if (n_new > 0) {
        add_pairs(batch, n_new, pairs(n_new, kDocument), 0);
    }
    return batch;
}

}  // namespace jina_reranker
