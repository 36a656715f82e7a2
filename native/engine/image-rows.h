#pragma once

// The images among the tokens of a pair: where their rows stand, and what those are. All rows of an image have one time, and rows
// and columns of their own; text behind it begins behind its longer side. Pure but for the embeddings that it holds.

#include "batch.h"
#include "ggml.h"
#include "image.h"

#include <cstdint>
#include <memory>
#include <vector>

namespace jina_reranker {

// What the vision tower makes of an image: a row for each of its tokens.
struct Embeddings {
    std::vector<ggml_fp16_t> numbers;  // [n_rows][n_embd]
    int32_t                  n_embd = 0;

    size_t n_bytes() const { return numbers.size() * sizeof(ggml_fp16_t); }
};

using EmbeddingsPtr = std::shared_ptr<const Embeddings>;

class ImageRows {
  public:
    // Of text.
    ImageRows() = default;

    // images: those whose numbers are among the tokens, each of them in full wherever it occurs.
    ImageRows(const std::vector<int32_t> & tokens, const std::vector<RequestImage> & images);

    bool empty() const { return spans_.empty(); }

    // Whether rows of the image lie behind the pair's first n_known tokens.
    bool needs(int32_t image, int32_t n_known) const;

    // Whether the embeddings are there of all rows behind the first n_known tokens.
    bool complete(int32_t n_known) const;

    void give(int32_t image, const EmbeddingsPtr & embeddings);

    // Of the pair's tokens from begin to end, which are complete.
    MixedRows rows(const std::vector<int32_t> & tokens, int32_t begin, int32_t end) const;

  private:
    // An image in the pair.
    struct Span {
        int32_t       image;
        int32_t       begin;  // index of its first token
        int32_t       end;
        EmbeddingsPtr embeddings;
    };

    std::vector<Span>     spans_;      // in order
    std::vector<Position> positions_;  // [tokens]
};

}  // namespace jina_reranker
