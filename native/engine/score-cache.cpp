#include "score-cache.h"

#include "hash.h"

#include <cmath>

namespace jina_reranker {

namespace {

// List and index nodes, roughly.
constexpr size_t kOverhead = 128;

size_t bytes_of(const std::vector<llama_token> & tokens) {
    return tokens.size() * sizeof(llama_token) + kOverhead;
}

}  // namespace

std::optional<float> ScoreCache::find(const std::vector<llama_token> & tokens) {
    if (max_bytes_ == 0 || tokens.empty()) {
        return std::nullopt;
    }
    const uint64_t        key = hash_of(tokens, tokens.size());
    const std::lock_guard lock(mutex_);
    const auto            found = index_.find(key);
    if (found == index_.end() || found->second->tokens != tokens) {
        return std::nullopt;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->logit;
}

void ScoreCache::insert(std::vector<llama_token> tokens, float logit) {
    const size_t size = bytes_of(tokens);
    if (size > max_bytes_ || !std::isfinite(logit)) {
        return;
    }
    const uint64_t        key = hash_of(tokens, tokens.size());
    const std::lock_guard lock(mutex_);
    if (const auto found = index_.find(key); found != index_.end()) {
        remove(found->second);
    }
    while (n_bytes_ + size > max_bytes_) {
        remove(std::prev(entries_.end()));
    }
    entries_.push_front({ key, std::move(tokens), logit });
    index_.emplace(key, entries_.begin());
    n_bytes_ += size;
}

void ScoreCache::remove(Entries::iterator entry) {
    n_bytes_ -= bytes_of(entry->tokens);
    index_.erase(entry->key);
    entries_.erase(entry);
}

}  // namespace jina_reranker
