#pragma once

// What one run of the model computes: rows of several pairs, packed one after the other. A row is a token, or the embedding of a
// part of an image. Pure: knows tokens, positions and pages, nothing of ggml.

#include "kv-pages.h"

#include <array>
#include <cstdint>
#include <vector>

namespace jina_reranker {

// Of a row, in the three directions of the model's rotary embedding: time, height, width. Alike for text.
using Position = std::array<int32_t, 3>;

// Of rows of one pair that are not all text.
struct MixedRows {
    std::vector<int32_t>  tokens;      // of each row; below 0 = the next of the embeddings
    std::vector<Position> positions;   // likewise
    std::vector<float>    embeddings;  // [number of tokens below 0][n_embd]
};

// The rows of one pair, in the order of its tokens; they continue what lies in its pages.
struct BatchPair {
    int32_t first_row = 0;
    int32_t n_rows    = 0;
    int32_t n_past    = 0;       // tokens whose K and V lie in the pages already
    int32_t n_shared  = 0;       // of those, at the start: of pages that it shares; what comes next begins a page
    std::vector<int32_t> pages;  // of n_past + n_rows tokens
    bool                 scored = false;  // the last row is the pair's score token

    // Where the K and V of the pair's i-th token lie, in tokens from the first page.
    int32_t cell(int32_t token) const {
        const bool    shared = token < n_shared;
        const int32_t first  = shared ? 0 : pages_of(n_shared);
        const int32_t place  = shared ? token : token - n_shared;
        return pages[static_cast<size_t>(first + place / kPageTokens)] * kPageTokens + place % kPageTokens;
    }

    int32_t n_tokens() const { return n_past + n_rows; }
};

class Batch {
  public:
    // tokens: of the pair from n_past on.
    void add(const std::vector<int32_t> & tokens,
             int32_t                      n_past,
             std::vector<int32_t>         pages,
             bool                         scored,
             int32_t                      n_shared = 0);

    // The same with images among the rows, whose positions are not those in the pair.
    void add(const MixedRows & rows, int32_t n_past, std::vector<int32_t> pages, bool scored, int32_t n_shared = 0);

    // Rows that belong to no pair, until there are n_rows; `page` takes their K and V.
    void pad(int32_t n_rows, int32_t page);

    int32_t n_rows() const { return static_cast<int32_t>(tokens_.size()); }

    const std::vector<BatchPair> & pairs() const { return pairs_; }

    // [n_rows]; 0 for a row that is an embedding.
    const std::vector<int32_t> & tokens() const { return tokens_; }

    // Which rows are embeddings, ascending.
    const std::vector<int32_t> & embedded_rows() const { return embedded_rows_; }

    // [embedded_rows][n_embd]
    const std::vector<float> & embeddings() const { return embeddings_; }

    const std::vector<Position> & positions() const { return positions_; }

    // [n_rows], where each row's K and V are written.
    const std::vector<int64_t> & cells() const { return cells_; }

    // Rows whose hidden state becomes a score, in the order of their pairs.
    const std::vector<int32_t> & score_rows() const { return score_rows_; }

  private:
    std::vector<BatchPair> pairs_;
    std::vector<int32_t>   tokens_;
    std::vector<int32_t>   embedded_rows_;
    std::vector<float>     embeddings_;
    std::vector<Position>  positions_;
    std::vector<int64_t>   cells_;
    std::vector<int32_t>   score_rows_;
};

}  // namespace jina_reranker
