#pragma once

// KV state of document prefixes, kept in the pages that computed it. The prompt is document-first and attention is causal, so
// what was computed up to the query serves every query. A tree of pages: each node is a page and the tokens in it, behind
// those of its parents, so documents that begin alike share pages. The last page of a prefix may be partly its own: what lies
// behind is another query's. To use a prefix or to keep it copies nothing. The least recently used pages go when there are too
// many, but none that a pair holds. Engine thread only.

#include "kv-pages.h"
#include "llama.h"

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace jina_reranker {

class DocumentCache {
  public:
    // max_pages: 0 = keep nothing.
    DocumentCache(KvPages & pages, int32_t max_pages);
    ~DocumentCache();

    DocumentCache(const DocumentCache &)             = delete;
    DocumentCache & operator=(const DocumentCache &) = delete;
    DocumentCache(DocumentCache &&)                  = delete;
    DocumentCache & operator=(DocumentCache &&)      = delete;

    bool enabled() const { return max_pages_ > 0; }

    // How many of a prompt's first n_tokens tokens are kept: all, but none of less than a page.
    int32_t usable(int32_t n_tokens) const;

    struct Found {
        std::vector<int32_t> pages;         // each held once more for the caller
        int32_t              n_tokens = 0;  // in them that are the prompt's: whole pages, or all of its prefix
    };

    // The longest known start of a prompt, of which usable(n_prefix) tokens are worth keeping. At least one token is left to
    // compute.
    Found find(const std::vector<llama_token> & prompt, int32_t n_prefix);

    // What the prompts that can share a page have in common; none for a prompt without a whole page.
    static std::optional<uint64_t> key_of(const std::vector<llama_token> & tokens);

    // Keeps the pages of the first n_tokens tokens, usable() of them, as far as there is room. pages: those of the whole
    // pair, kPageTokens tokens in each, which go on being held by it. True when a page is new here.
    bool insert(const std::vector<llama_token> & tokens, int32_t n_tokens, const std::vector<int32_t> & pages);

    // Takes pages for those of the first n_tokens tokens, usable() of them, that are not known, as far as there is room, and has
    // `fill` write their state. Where it throws, as it may on a device, they are not kept. True when a page is new here.
    using Fill = std::function<void(const std::vector<KvPages::Tokens> & added)>;
    bool add(const std::vector<llama_token> & tokens, int32_t n_tokens, const Fill & fill);

    int32_t n_pages() const { return static_cast<int32_t>(recent_.size()); }

    // Prefixes that no longer one continues.
    size_t n_entries() const { return n_leaves_; }

  private:
    using Tokens = std::vector<llama_token>;

    struct Node {
        Node *                                  parent = nullptr;
        Tokens                                  tokens;  // of its page: kPageTokens, or fewer at the end of a prefix
        int32_t                                 page = 0;
        std::map<Tokens, std::unique_ptr<Node>> children;
        std::list<Node *>::iterator             recent;
    };

    // Those of the page that begins at `begin`, in a prefix of n_tokens.
    static Tokens page_of(const Tokens & tokens, int32_t begin, int32_t n_tokens);

    // A page for the next tokens of a prefix, held once for the tree; none = there is none.
    using NextPage = std::function<std::optional<int32_t>(int32_t begin, int32_t end)>;

    bool extend(const Tokens & tokens, int32_t n_tokens, const NextPage & next_page);
    void touch(Node * node);
    bool make_room(const Node * kept);
    void forget(Node * leaf);

    KvPages &         pages_;
    int32_t           max_pages_;
    Node              root_;
    std::list<Node *> recent_;  // most recently used first; a node before those behind it
    size_t            n_leaves_ = 0;
};

}  // namespace jina_reranker
