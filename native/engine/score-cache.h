#pragma once

// Logits of recently scored pairs, found by all tokens of a pair: a score depends on nothing else. Any thread.

#include "llama.h"
#include "lru-cache.h"

#include <optional>
#include <vector>

namespace jina_reranker {

class ScoreCache {
  public:
    // max_bytes: 0 = keep nothing.
    explicit ScoreCache(size_t max_bytes) : logits_(max_bytes) {}

    std::optional<float> find(const std::vector<llama_token> & tokens);
    // Does not keep a logit that is not finite: that is an error, and another try may succeed.
    void                 insert(std::vector<llama_token> tokens, float logit);

  private:
    LruCache<std::vector<llama_token>, float> logits_;
};

}  // namespace jina_reranker
