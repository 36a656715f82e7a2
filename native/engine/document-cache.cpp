#include "document-cache.h"

#include "hash.h"

#include <algorithm>

namespace jina_reranker {

namespace {

// Tokens that select the candidates: the document's heading and a few of its own. Shorter prefixes are not worth a copy.
constexpr size_t kKeyTokens = 16;

// An entry is restored whole: one of which less than this part can be used is not worth it.
constexpr size_t kWorthRestoring = 4;

size_t bytes_of(const DocumentCache::Entry & entry) {
    return entry.state.size() + entry.tokens.size() * sizeof(llama_token);
}

}  // namespace

DocumentCache::DocumentCache(size_t max_bytes, int32_t alignment) : max_bytes_(max_bytes), alignment_(alignment) {}

int32_t DocumentCache::usable(int32_t n_tokens) const {
    const int32_t n_usable = n_tokens / alignment_ * alignment_;
    return n_usable >= static_cast<int32_t>(kKeyTokens) ? n_usable : 0;
}

std::optional<uint64_t> DocumentCache::key_of(const std::vector<llama_token> & tokens) {
    return tokens.size() >= kKeyTokens ? std::optional(hash_of(tokens, kKeyTokens)) : std::nullopt;
}

DocumentCache::Match DocumentCache::use_of(const EntryPtr & entry, const std::vector<llama_token> & prompt) const {
    const auto & tokens = entry->tokens;
    const size_t length = std::min(tokens.size(), prompt.size() - 1);
    const auto   end =
        std::mismatch(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(length), prompt.begin());
    const int32_t shared = usable(static_cast<int32_t>(end.first - tokens.begin()));
    if (shared == 0 || static_cast<size_t>(shared) * kWorthRestoring < tokens.size()) {
        return {};
    }
    return { entry, shared };
}

DocumentCache::Match DocumentCache::find(const std::vector<llama_token> & prompt) {
    Match      match;
    const auto key = key_of(prompt);
    if (!key) {
        return match;
    }
    Entries::iterator best;
    const auto [first, last] = index_.equal_range(*key);
    for (auto candidate = first; candidate != last; ++candidate) {
        Match use = use_of(*candidate->second, prompt);
        if (use.n_tokens > match.n_tokens) {
            match = std::move(use);
            best  = candidate->second;
        }
    }
    if (match.entry) {
        entries_.splice(entries_.begin(), entries_, best);
    }
    return match;
}

DocumentCache::EntryPtr DocumentCache::insert(std::vector<llama_token> tokens, std::vector<uint8_t> state) {
    auto         entry = std::make_shared<const Entry>(Entry{ std::move(tokens), std::move(state) });
    const size_t size  = bytes_of(*entry);
    const auto   key   = key_of(entry->tokens);
    if (!key || size > max_bytes_) {
        return nullptr;
    }
    const auto [first, last] = index_.equal_range(*key);
    if (std::any_of(first, last, [&](const auto & other) { return (*other.second)->tokens == entry->tokens; })) {
        return nullptr;
    }
    while (n_bytes_ + size > max_bytes_) {
        const auto unused =
            std::find_if(entries_.rbegin(), entries_.rend(), [](const EntryPtr & one) { return one.use_count() == 1; });
        if (unused == entries_.rend()) {
            return nullptr;
        }
        remove(std::prev(unused.base()));
    }
    entries_.push_front(entry);
    index_.emplace(*key, entries_.begin());
    n_bytes_ += size;
    return entry;
}

void DocumentCache::remove(Entries::iterator entry) {
    const auto [first, last] = index_.equal_range(hash_of((*entry)->tokens, kKeyTokens));
    index_.erase(std::find_if(first, last, [&](const auto & other) { return other.second == entry; }));
    n_bytes_ -= bytes_of(**entry);
    entries_.erase(entry);
}

}  // namespace jina_reranker
