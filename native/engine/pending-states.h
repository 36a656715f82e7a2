#pragma once

// The pairs whose document's state is being read from disk, and the states that are written there. A pair waits for a read no longer
// than its document takes to compute. A document that is to be kept is looked for and, where it is not there, written, and waited for
// until then. Engine thread only.

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
    // to wait for, or the disk answers nothing. seconds: that the rest of the prefix takes to compute.
    bool wait(const PairId &                   pair,
              const std::vector<llama_token> & tokens,
              int32_t                          n_prefix,
              int32_t                          n_known,
              double                           seconds);

    // Has a document that is to be kept wait for whether its state is there, or until it is written. False when it has no state, the
    // disk answers nothing, or there is no memory to copy it. Throws what a device throws that its state cannot be copied from.
    bool look(const PairId & pair, const std::vector<llama_token> & tokens, int32_t n_prefix);
    bool write(const PairId &                   pair,
               const std::vector<llama_token> & tokens,
               int32_t                          n_prefix,
               const std::vector<int32_t> &     pages);

    // Whether another document may be computed to be kept. One that may has room for its state reserved until it is written, or
    // the pair removed: states wait in memory for the disk.
    bool has_room() const { return store_.has_room(n_reserved_); }
    void reserve(const PairId & pair, int32_t n_prefix);

    void remove(const PairId & pair);

    enum class Event { read, looked, written };

    struct Ready {
        Event                    event = Event::read;
        std::vector<PairId>      pairs;   // need not wait any more
        std::vector<llama_token> tokens;  // read: of the prefix that the document cache knows since; empty = none
        bool                     stored = false;  // looked, written: whether the state is there
    };

    // To be called until there is nothing more.
    std::optional<Ready> next(Clock::time_point now);

    // What the engine thread waits for; none = nothing.
    std::optional<JobQueue::Reads> reads() const;

    // Writes the state of a pair's prefix, whose pages are in the order of its tokens, unless much waits to be written. Throws as
    // write().
    void write_behind(const std::vector<llama_token> & tokens, int32_t n_prefix, const std::vector<int32_t> & pages);

  private:
    struct Read {
        std::vector<llama_token>            tokens;  // of the prefix
        uint64_t                            request = 0;
        double                              seconds = 0;  // that computing would take
        std::map<PairId, Clock::time_point> pairs;        // until when each waits
    };

    using Reads = std::map<std::string, Read>;  // by their portable tokens

    // That somebody waits for beside a read.
    struct Request {
        PairId pair;
        Event  event = Event::looked;
    };

    std::optional<std::string>       portable_of(const std::vector<llama_token> & tokens, int32_t n_prefix);
    std::optional<std::vector<char>> copy_of(const std::vector<int32_t> & pages, int32_t n_prefix) const;
    std::optional<Ready>             ready_by(const DocumentStore::Answer & answer);
    std::optional<Ready>             late(Clock::time_point now);

    void release(const PairId & pair);
    void touch(const std::string & portable);
    bool restore(const std::vector<llama_token> & tokens, const StateBytes & bytes);

    DocumentStore & store_;
    DocumentCache & documents_;
    KvPages &       pages_;
    ImageTokens &   images_;

    Reads                                 reads_;
    size_t                                n_late_ = 0;  // of these, for which nobody waits any more
    std::map<uint64_t, Request>           requests_;
    std::map<PairId, size_t>              reserved_;  // bytes of states that are not copied yet
    size_t                                n_reserved_ = 0;
    std::vector<DocumentStore::Answer>    answers_;  // taken, the next one last
    Clock::time_point                     last_answer_;
    LruCache<uint64_t, Clock::time_point> touched_{ size_t{ 1 } << 20U };
};

}  // namespace jina_reranker
