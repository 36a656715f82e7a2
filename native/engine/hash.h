#pragma once

// FNV-1a over tokens: an index into caches, which compare the tokens themselves.

#include "llama.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace jina_reranker {

// Of the first n_tokens tokens; there are at least as many.
inline uint64_t hash_of(const std::vector<llama_token> & tokens, size_t n_tokens) {
    uint64_t hash = 14695981039346656037U;
    for (size_t i = 0; i < n_tokens; ++i) {
        hash = (hash ^ static_cast<uint64_t>(tokens[i])) * 1099511628211U;
    }
    return hash;
}

}  // namespace jina_reranker
