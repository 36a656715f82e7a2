#pragma once

// What pairs cost to compute: counted where they are tokenized, estimated where they are not yet.

#include "token-work.h"
#include "types.h"

#include <cstddef>
#include <cstdint>

namespace jina_reranker {

// Tokens, and what they cost to compute.
struct Load {
    uint64_t n_tokens = 0;
    double   work     = 0;
};

class PairLoads {
  public:
    // image_work: of encoding an image, for each of its tokens. context_size: tokens a pair has at most.
    PairLoads(TokenWork token_work, double image_work, int32_t context_size) :
        token_work_(token_work),
        image_work_(image_work),
        context_size_(context_size) {}

    // Of a pair's tokens from begin to end.
    Load   of(int64_t begin, int64_t end) const;
    Load   estimate(const ScoreRequest & request, size_t document) const;
    // Of encoding it; 0 for a text.
    double image_work(const Content & content) const;

  private:
    TokenWork token_work_;
    double    image_work_;
    int32_t   context_size_;
};

}  // namespace jina_reranker
