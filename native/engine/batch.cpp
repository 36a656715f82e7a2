#include "batch.h"

#include <utility>

namespace jina_reranker {

void Batch::add(
    const std::vector<int32_t> & tokens, int32_t n_past, std::vector<int32_t> pages, bool scored, int32_t n_shared) {
    BatchPair pair;
    pair.first_row = n_rows();
    pair.n_rows    = static_cast<int32_t>(tokens.size());
    pair.n_past    = n_past;
    pair.n_shared  = n_shared;
    pair.pages     = std::move(pages);
    pair.scored    = scored;
    for (int32_t i = 0; i < pair.n_rows; ++i) {
        const int32_t position = n_past + i;
        tokens_.push_back(tokens[static_cast<size_t>(i)]);
        positions_.push_back({ position, position, position });
        cells_.push_back(pair.cell(position));
    }
    if (scored) {
        score_rows_.push_back(n_rows() - 1);
    }
    pairs_.push_back(std::move(pair));
}

void Batch::pad(int32_t n_rows, int32_t page) {
    for (int32_t i = 0; this->n_rows() < n_rows; ++i) {
        tokens_.push_back(0);
        positions_.push_back({ 0, 0, 0 });
        cells_.push_back(int64_t{ page } * kPageTokens + i % kPageTokens);
    }
}

}  // namespace jina_reranker
