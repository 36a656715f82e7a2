#pragma once

// Numbers for images, below 0, that stand in prompts beside the vocabulary's tokens: caches and deduplication then treat images as
// tokens. The same hash has the same number for as long as it is remembered; a number never stands for a second hash, so what a
// cache knows of a forgotten one is found by nobody. Any thread.

#include "lru-cache.h"

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

namespace jina_reranker {

class ImageTokens {
  public:
    // Throws engine_error after 2^31 images.
    int32_t token_of(const std::string & hash);

    // The hash that a number stands for, while it is remembered.
    std::optional<std::string> name_of(int32_t token);

  private:
    static constexpr size_t kMostBytes = size_t{ 4 } << 20U;  // 16,000 hashes of 64 digits

    std::mutex                     mutex_;
    LruCache<std::string, int32_t> known_{ kMostBytes };
    LruCache<int32_t, std::string> names_{ kMostBytes };
    int32_t                        last_ = 0;
};

}  // namespace jina_reranker
