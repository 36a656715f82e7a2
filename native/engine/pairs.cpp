#include "pairs.h"

#include "error.h"

#include <algorithm>
#include <utility>

namespace jina_reranker {

std::vector<PairId> Pairs::of_job(uint64_t job) const {
    std::vector<PairId> ids;
    for (auto pair = pairs_.lower_bound({ job, 0 }); pair != pairs_.end() && pair->first.first == job; ++pair) {
        ids.push_back(pair->first);
    }
    return ids;
}

void Pairs::remove(const PairId & id) {
    Pair & pair = pairs_.at(id);
    if (const auto key = DocumentCache::key_of(pair.tokens)) {
        const auto [first, last] = waiting_.equal_range(*key);
        const auto found         = std::find_if(first, last, [&](const auto & other) { return other.second == id; });
        if (found != last) {
            waiting_.erase(found);
        }
    }
    release_pages(pair);
    pairs_.erase(id);
}

void Pairs::find_prefix(Pair & pair) {
    auto [pages, n_shared] = documents_.find(pair.tokens, pair.n_prefix);
    release_pages(pair);
    pair.pages    = std::move(pages);
    pair.n_shared = n_shared;
}

void Pairs::take_pages(Pair & pair, int32_t n_tokens) {
    const int32_t n_pages = pages_of(pair.n_shared) + pages_of(n_tokens - pair.n_shared);
    while (static_cast<int32_t>(pair.pages.size()) < n_pages) {
        const auto page = pages_.take();
        if (!page) {
            throw Error(ErrorCode::engine_error, "no page of KV state is free");  // pages_of_batches() is wrong then
        }
        pair.pages.push_back(*page);
    }
}

void Pairs::release_pages(Pair & pair) {
    for (const int32_t page : pair.pages) {
        pages_.release(page);
    }
    pair.pages.clear();
}

void Pairs::await_prefix(const PairId & id, const Pair & pair) {
    const auto key = DocumentCache::key_of(pair.tokens);
    if (documents_.enabled() && pair.pages.empty() && key) {
        waiting_.emplace(*key, id);
    }
}

void Pairs::share(const std::vector<llama_token> & tokens, const Use & use) {
    const auto [first, last] = waiting_.equal_range(DocumentCache::key_of(tokens).value_or(0));
    for (auto waiting = first; waiting != last;) {
        const PairId & id      = waiting->second;
        Pair &         pair    = pairs_.at(id);
        auto [pages, n_shared] = documents_.find(pair.tokens, pair.n_prefix);
        if (pair.pages.empty() && n_shared > 0 && use(id, pair, n_shared)) {
            pair.pages    = std::move(pages);
            pair.n_shared = n_shared;
            waiting       = waiting_.erase(waiting);
            continue;
        }
        for (const int32_t page : pages) {
            pages_.release(page);
        }
        waiting = std::next(waiting);
    }
}

}  // namespace jina_reranker
