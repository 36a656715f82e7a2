#pragma once

// What an engine counts beside its queue. Its threads add, any thread reads; it outlives what close() frees.

#include "types.h"

#include <atomic>
#include <cstdint>

namespace jina_reranker {

struct Counters {
    std::atomic<uint64_t> tokens_computed{ 0 };
    std::atomic<uint64_t> tokens_padding{ 0 };
    std::atomic<uint64_t> batches{ 0 };
    std::atomic<uint64_t> tokens_reused{ 0 };
    std::atomic<uint64_t> pairs_warm{ 0 };
    std::atomic<uint64_t> pairs_repeated{ 0 };
    std::atomic<uint64_t> cache_bytes{ 0 };
    std::atomic<uint64_t> cache_entries{ 0 };
    std::atomic<uint64_t> images_encoded{ 0 };
    std::atomic<uint64_t> image_encode_us{ 0 };
    std::atomic<uint64_t> images_reused{ 0 };
    std::atomic<uint64_t> image_bytes{ 0 };
    std::atomic<uint64_t> image_entries{ 0 };
    std::atomic<uint64_t> states_restored{ 0 };
    std::atomic<uint64_t> states_stored{ 0 };
    std::atomic<uint64_t> store_failures{ 0 };
    std::atomic<uint64_t> store_bytes{ 0 };

    void count(EngineStats & stats) const {
        stats.tokens_computed = tokens_computed;
        stats.tokens_padding  = tokens_padding;
        stats.batches         = batches;
        stats.tokens_reused   = tokens_reused;
        stats.pairs_warm      = pairs_warm;
        stats.pairs_repeated  = pairs_repeated;
        stats.cache_bytes     = cache_bytes;
        stats.cache_entries   = cache_entries;
        stats.images_encoded  = images_encoded;
        stats.image_encode_ms = static_cast<double>(image_encode_us) / 1e3;
        stats.images_reused   = images_reused;
        stats.image_bytes     = image_bytes;
        stats.image_entries   = image_entries;
        stats.states_restored = states_restored;
        stats.states_stored   = states_stored;
        stats.store_failures  = store_failures;
        stats.store_bytes     = store_bytes;
    }
};

}  // namespace jina_reranker
