#include "document-cache.h"

#include "hash.h"

#include <algorithm>
#include <utility>

namespace jina_reranker {

DocumentCache::DocumentCache(KvPages & pages, int32_t max_pages) : pages_(pages), max_pages_(max_pages) {}

DocumentCache::~DocumentCache() {
    // The last one has no children: a node stands before those behind it. Freed from the root, a deep tree takes a deep stack.
    while (!recent_.empty()) {
        forget(recent_.back());
    }
}

int32_t DocumentCache::usable(int32_t n_tokens) const {
    return enabled() && n_tokens >= kPageTokens ? n_tokens : 0;
}

DocumentCache::Tokens DocumentCache::page_of(const Tokens & tokens, int32_t begin, int32_t n_tokens) {
    const int32_t end = std::min(begin + kPageTokens, n_tokens);
    return { tokens.begin() + begin, tokens.begin() + end };
}

std::optional<uint64_t> DocumentCache::key_of(const std::vector<llama_token> & tokens) {
    if (tokens.size() < kPageTokens) {
        return std::nullopt;
    }
    return hash_of(tokens, kPageTokens);
}

// A node and those before it; it becomes older than they are, so that it goes first.
void DocumentCache::touch(Node * node) {
    for (; node != &root_; node = node->parent) {
        recent_.splice(recent_.begin(), recent_, node->recent);
    }
}

DocumentCache::Found DocumentCache::find(const std::vector<llama_token> & prompt, int32_t n_prefix) {
    Found      found;
    Node *     node = &root_;
    const auto next = [&](int32_t n_tokens) {
        // A page that goes on with others serves too: they lie behind these.
        const Tokens wanted = page_of(prompt, found.n_tokens, n_tokens);
        const auto   child  = node->children.lower_bound(wanted);
        if (child == node->children.end() || child->first.size() < wanted.size() ||
            !std::equal(wanted.begin(), wanted.end(), child->first.begin())) {
            return false;
        }
        node = child->second.get();
        pages_.hold(node->page);
        found.pages.push_back(node->page);
        found.n_tokens = std::min(found.n_tokens + kPageTokens, n_tokens);
        return true;
    };
    const auto n_whole = static_cast<int32_t>(prompt.empty() ? 0 : (prompt.size() - 1) / kPageTokens * kPageTokens);
    while (found.n_tokens < n_whole && next(n_whole)) {
    }
    // The pair's own pages begin where its prefix ends, so it could keep nothing more of a longer one.
    const int32_t n_left = usable(n_prefix) - found.n_tokens;
    if (n_left > 0 && n_left < kPageTokens) {
        next(usable(n_prefix));
    }
    touch(node);
    return found;
}

bool DocumentCache::insert(const std::vector<llama_token> & tokens,
                           int32_t                          n_tokens,
                           const std::vector<int32_t> &     pages) {
    return extend(tokens, n_tokens, [&](int32_t begin, int32_t) {
        const int32_t page = pages[static_cast<size_t>(begin / kPageTokens)];
        pages_.hold(page);
        return std::optional(page);
    });
}

bool DocumentCache::add(const std::vector<llama_token> & tokens, int32_t n_tokens, const Fill & fill) {
    std::vector<KvPages::Tokens> added;
    extend(tokens, n_tokens, [&](int32_t begin, int32_t end) {
        const auto page = pages_.take();
        if (page) {
            added.push_back({ *page, begin, end - begin });
        }
        return page;
    });
    try {
        fill(added);
    } catch (...) {
        std::for_each(added.rbegin(), added.rend(), [&](const KvPages::Tokens & part) {
            forget(*std::find_if(recent_.begin(), recent_.end(),
                                 [&](const Node * node) { return node->page == part.page; }));
        });
        throw;
    }
    return !added.empty();
}

// Adds a node for each page that the tree lacks. True when there is one.
bool DocumentCache::extend(const Tokens & tokens, int32_t n_tokens, const NextPage & next_page) {
    Node * node   = &root_;
    bool   is_new = false;
    for (int32_t begin = 0; begin < usable(n_tokens); begin += kPageTokens) {
        const Tokens own   = page_of(tokens, begin, usable(n_tokens));
        const auto   child = node->children.find(own);
        if (child != node->children.end()) {
            node = child->second.get();
            continue;
        }
        touch(node);  // so that what this prefix continues does not make room for it
        if (!make_room(node)) {
            break;
        }
        const auto page = next_page(begin, begin + static_cast<int32_t>(own.size()));
        if (!page) {
            break;
        }
        n_leaves_ += node == &root_ || !node->children.empty() ? 1U : 0U;
        auto   added = std::make_unique<Node>();
        Node * next  = added.get();
        next->parent = node;
        next->tokens = own;
        next->page   = *page;
        next->recent = recent_.insert(recent_.begin(), next);
        node->children.emplace(own, std::move(added));
        node   = next;
        is_new = true;
    }
    touch(node);
    return is_new;
}

// Forgets one page if need be, not that of `kept`. False when every other is in use.
bool DocumentCache::make_room(const Node * kept) {
    if (n_pages() < max_pages_) {
        return true;
    }
    const auto oldest = std::find_if(recent_.rbegin(), recent_.rend(), [&](const Node * node) {
        return node != kept && node->children.empty() && pages_.n_holders(node->page) == 1;
    });
    if (oldest == recent_.rend()) {
        return false;
    }
    forget(*oldest);
    return true;
}

void DocumentCache::forget(Node * leaf) {
    Node * parent = leaf->parent;
    pages_.release(leaf->page);
    recent_.erase(leaf->recent);
    n_leaves_ -= parent == &root_ || parent->children.size() > 1 ? 1U : 0U;
    const Tokens tokens = leaf->tokens;
    parent->children.erase(tokens);
}

}  // namespace jina_reranker
