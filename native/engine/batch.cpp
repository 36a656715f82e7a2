#include "batch.h"

#include <algorithm>
#include <utility>

namespace jina_reranker {

void Batch::add(
    const std::vector<int32_t> & tokens, int32_t n_past, std::vector<int32_t> pages, bool scored, int32_t n_shared) {
    MixedRows rows;
    rows.tokens = tokens;
    for (size_t i = 0; i < tokens.size(); ++i) {
        const int32_t position = n_past + static_cast<int32_t>(i);
        rows.positions.push_back({ position, position, position });
    }
    add(rows, n_past, std::move(pages), scored, n_shared);
}

void Batch::add(const MixedRows & rows, int32_t n_past, std::vector<int32_t> pages, bool scored, int32_t n_shared) {
    BatchPair pair;
    pair.first_row = n_rows();
    pair.n_rows    = static_cast<int32_t>(rows.tokens.size());
    pair.n_past    = n_past;
    pair.n_shared  = n_shared;
    pair.pages     = std::move(pages);
    pair.scored    = scored;
    for (int32_t i = 0; i < pair.n_rows; ++i) {
        const int32_t token = rows.tokens[static_cast<size_t>(i)];
        if (token < 0) {
            embedded_rows_.push_back(n_rows());
        }
        tokens_.push_back(std::max(token, 0));
        cells_.push_back(pair.cell(n_past + i));
    }
    positions_.insert(positions_.end(), rows.positions.begin(), rows.positions.end());
    embeddings_.insert(embeddings_.end(), rows.embeddings.begin(), rows.embeddings.end());
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
