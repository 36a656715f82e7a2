#pragma once

// The pairs whose document's state is being read from disk, and the states that are written there. A pair waits for a read no longer
// than its document takes to compute. Engine thread only.

#include "document-cache.h"
#include "document-store.h"
#include "image-tokens.h"
#include "job-queue.h"
#include "kv-pages.h"
#include "lru-cache.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace jina_reranker {

class PendingStates {
  public:
    // All of these outlive it.
    PendingStates(DocumentStore & store, DocumentCache & documents, KvPages & pages, ImageTokens & images) :
        store_(store),
        documents_(documents),
        pages_(pages),
        images_(images) {}

    // Has the pair wait for the state of its prefix, of which the document cache knows n_known tokens. False when there is nothing
    // to wait for. seconds: that the rest of the prefix takes to compute.
    bool wait(const PairId &                   pair,
              const std::vector<llama_token> & tokens,
              int32_t                          n_prefix,
              int32_t                          n_known,
              double                           seconds);

    void remove(const PairId & pair);

    struct Ready {
        std::vector<PairId>      pairs;   // need not wait any more
        std::vector<llama_token> tokens;  // of the prefix that the document cache knows since; empty = none
    };

    // To be called until there is nothing more.
    std::optional<Ready> next(Clock::time_point now);

    // What the engine thread waits for; none = nothing.
    std::optional<JobQueue::Reads> reads() const;

    // Writes the state of a prefix, whose pages are in the order of its tokens, unless much waits to be written.
    void keep(const std::vector<llama_token> & tokens, int32_t n_prefix, const std::vector<int32_t> & pages);

  private:
    struct Read {
        std::vector<llama_token>            tokens;  // of the prefix
        uint64_t                            request = 0;
        double                              seconds = 0;  // that computing would take
        std::map<PairId, Clock::time_point> pairs;        // until when each waits
    };

    using Reads = std::map<std::string, Read>;  // by their portable tokens

    void touch(const std::string & portable);
    bool restore(const std::vector<llama_token> & tokens, const StateBytes & bytes);

    DocumentStore & store_;
    DocumentCache & documents_;
    KvPages &       pages_;
    ImageTokens &   images_;

    Reads                                 reads_;
    std::vector<DocumentStore::Answer>    answers_;  // taken, the next one last
    Clock::time_point                     last_answer_;
    LruCache<uint64_t, Clock::time_point> touched_{ size_t{ 1 } << 20U };
};

}  // namespace jina_reranker
