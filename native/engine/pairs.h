#pragma once

// The pairs that the engine thread has, with the pages that they hold, and the document cache, with which they share pages. Engine
// thread only.

#include "document-cache.h"
#include "image-rows.h"
#include "job-queue.h"
#include "kv-pages.h"

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <vector>

namespace jina_reranker {

// A pair that waits for its turn, or is being computed.
struct Pair {
    std::vector<llama_token> tokens;
    int32_t                  n_prefix = 0;     // tokens worth keeping in the document cache
    bool                     scored   = true;  // false: these alone are computed
    int32_t                  n_shared = 0;     // tokens in pages that it shares with the cache
    std::vector<int32_t>     pages;            // held: those it shares first
    int32_t                  cost = 1;
    ImageRows                images;

    std::vector<JobQueue::PairImage> given_images;  // while its state is being read

    int32_t n_tokens() const { return scored ? static_cast<int32_t>(tokens.size()) : n_prefix; }

    // Nothing of it is left to compute.
    bool known() const { return n_shared == n_tokens(); }
};

class Pairs {
  public:
    // Of the pages, n_cached for the document cache.
    Pairs(KvPages & pages, int32_t n_cached) : pages_(pages), documents_(pages, n_cached) {}

    DocumentCache & documents() { return documents_; }

    Pair &              add(const PairId & id, Pair pair) { return pairs_[id] = std::move(pair); }
    Pair &              at(const PairId & id) { return pairs_.at(id); }
    std::vector<PairId> of_job(uint64_t job) const;

    // Gives back what it holds.
    void remove(const PairId & id);

    // Has it hold the pages of what is known of its prefix, instead of those that it holds.
    void find_prefix(Pair & pair);
    // Has it hold pages for its first n_tokens tokens.
    void take_pages(Pair & pair, int32_t n_tokens);
    void release_pages(Pair & pair);

    // share() is to find it, if it holds no page.
    void await_prefix(const PairId & id, const Pair & pair);

    // Whether a pair, of which n_shared tokens would be known, can still do without computing them.
    using Use = std::function<bool(const PairId & id, const Pair & pair, int32_t n_shared)>;

    // Gives pairs that came before their document's pages were kept those pages: those that `use` says may have them.
    void share(const std::vector<llama_token> & tokens, const Use & use);

  private:
    KvPages &                                 pages_;
    DocumentCache                             documents_;
    std::map<PairId, Pair>                    pairs_;
    std::unordered_multimap<uint64_t, PairId> waiting_;  // those of await_prefix(), by DocumentCache::key_of()
};

}  // namespace jina_reranker
