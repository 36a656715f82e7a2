#pragma once

// Turns text into tokens, piece by piece (text-pieces.h); special-token text is ordinary text. Keeps the tokens of recent pieces:
// a known one is not tokenized again. Any thread.

#include "llama.h"
#include "lru-cache.h"
#include "text-pieces.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace jina_reranker {

using Tokens = std::vector<llama_token>;

// Asked between pieces: false = the caller has no use for the tokens any more.
using Wanted = std::function<bool()>;

// Tokens of a text's start: whole pieces.
struct TextStart {
    Tokens              tokens;
    std::vector<size_t> ends;    // of the pieces, in the text
    std::vector<size_t> counts;  // of tokens, up to each piece's end

    size_t end() const { return ends.empty() ? 0 : ends.back(); }

    void add(const Tokens & piece, size_t piece_end);
    void drop_last();
};

class Tokenizer {
  public:
    // known_bytes: for recent pieces and their tokens; 0 = keep none.
    Tokenizer(const llama_vocab * vocab, size_t known_bytes);

    // Ends with the text, or behind the piece with which there are more than `enough` tokens. Throws cancelled when they are
    // not wanted any more.
    TextStart tokenize(std::string_view text, size_t enough, const Wanted & wanted) const;

    size_t n_bytes(llama_token token) const;

    const WholeWords & whole_words() const { return whole_words_; }

    // Tokens made since the start: those of known pieces are not made again.
    uint64_t n_made() const { return n_made_; }

  private:
    Tokens make(std::string_view text) const;
    Tokens tokenize_piece(std::string_view text) const;

    const llama_vocab *                   vocab_;
    WholeWords                            whole_words_;  // user-defined tokens
    mutable LruCache<std::string, Tokens> known_;
    mutable std::atomic<uint64_t>         n_made_{ 0 };
};

}  // namespace jina_reranker
