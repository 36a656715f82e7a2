#include "score-cache.h"

#include "hash.h"

#include <cmath>

namespace jina_reranker {

std::optional<float> ScoreCache::find(const std::vector<llama_token> & tokens) {
    if (!logits_.enabled() || tokens.empty()) {
        return std::nullopt;
    }
    return logits_.find(hash_of(tokens, tokens.size()), tokens);
}

void ScoreCache::insert(std::vector<llama_token> tokens, float logit) {
    if (!logits_.enabled() || !std::isfinite(logit)) {
        return;
    }
    const uint64_t hash    = hash_of(tokens, tokens.size());
    const size_t   n_bytes = tokens.size() * sizeof(llama_token);
    logits_.insert(hash, std::move(tokens), logit, n_bytes);
}

}  // namespace jina_reranker
