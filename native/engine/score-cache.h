#pragma once

// Logits of recently scored pairs, found by all tokens of a pair: a score depends on nothing else. The least recently used ones
// leave when the bytes run out. Any thread.

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
    // Does not keep a logit that is not finite: that is an error, and another try may succeed.
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
