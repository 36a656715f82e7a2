#pragma once

// KV state of document prefixes in host memory. The prompt is document-first and attention is causal, so what was
// computed up to the query serves every query. Prefixes are found by their tokens, never by text; the least recently
// used ones go when the bytes run out, but none that a pair waits to have restored, so that what is counted is what is
// held. Holds one model's states in one engine's settings. Engine thread only.

#include "llama.h"

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

namespace jina_reranker {

class DocumentCache {
  public:
    struct Entry {
        std::vector<llama_token> tokens;
        std::vector<uint8_t>     state;  // as llama_state_seq_get_data wrote it
    };

    using EntryPtr = std::shared_ptr<const Entry>;

    struct Match {
        EntryPtr entry;         // none: nothing useful was found
        int32_t  n_tokens = 0;  // of the entry's start, usable for the prompt; a multiple of the alignment
    };

    // max_bytes: 0 = keep nothing. alignment: tokens; prefixes begin and end at its multiples.
    DocumentCache(size_t max_bytes, int32_t alignment);

    bool enabled() const { return max_bytes_ > 0; }

    // How many of a prompt's first n_tokens tokens are worth keeping: rounded down, 0 when too few.
    int32_t usable(int32_t n_tokens) const;

    // The entry that shares the longest start with a prompt; at least one token of the prompt is left to compute.
    Match find(const std::vector<llama_token> & prompt);

    // As find, of one entry alone.
    Match use_of(const EntryPtr & entry, const std::vector<llama_token> & prompt) const;

    // What the prompts and prefixes that can match have in common; none for a prompt too short to match any.
    static std::optional<uint64_t> key_of(const std::vector<llama_token> & tokens);

    // Keeps a prefix and returns it; nothing when it does not fit beside the entries in use or is there already.
    EntryPtr insert(std::vector<llama_token> tokens, std::vector<uint8_t> state);

    size_t n_bytes() const { return n_bytes_; }

    size_t n_entries() const { return entries_.size(); }

  private:
    using Entries = std::list<EntryPtr>;  // most recently used first

    void remove(Entries::iterator entry);

    size_t                                               max_bytes_;
    int32_t                                              alignment_;
    size_t                                               n_bytes_ = 0;
    Entries                                              entries_;
    std::unordered_multimap<uint64_t, Entries::iterator> index_;  // by the first tokens
};

}  // namespace jina_reranker
