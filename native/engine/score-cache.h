#pragma once

// Logits of recently scored pairs, found by their tokens, which are all a score depends on. The least recently used go
// when the bytes run out. Used from any thread.

#include "llama.h"

#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

namespace jina_reranker {

class ScoreCache {
  public:
    // max_bytes: 0 = keep nothing.
    explicit ScoreCache(size_t max_bytes) : max_bytes_(max_bytes) {}

    std::optional<float> find(const std::vector<llama_token> & tokens);
    // A logit that is not finite is not kept: it is an error, and the next try may do better.
    void                 insert(std::vector<llama_token> tokens, float logit);

  private:
    struct Entry {
        uint64_t                 key;
        std::vector<llama_token> tokens;
        float                    logit;
    };

    using Entries = std::list<Entry>;  // most recently used first

    void remove(Entries::iterator entry);

    const size_t                                    max_bytes_;
    std::mutex                                      mutex_;
    size_t                                          n_bytes_ = 0;
    Entries                                         entries_;
    std::unordered_map<uint64_t, Entries::iterator> index_;
};

}  // namespace jina_reranker
