#pragma once

// Makes of a query and a document the tokens that the model reads. The prompt is tokenized as one text, because parts tokenized
// apart would merge differently, and special tokens in it are ordinary text, because a document could inject the score token,
// which is appended. A prompt that does not fit loses the end of its document (the start, where that is asked for), never a
// part of its query. A long document is tokenized piece by piece (text-pieces.h), no further than its tokens can be kept.
// Stateless; any thread.

#include "llama.h"
#include "types.h"

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace jina_reranker {

struct Prompt {
    std::vector<llama_token> tokens;         // score token included
    int32_t                  n_prefix  = 0;  // tokens at the start that hold nothing of the query
    // Tokens the cut made the prompt shorter by: at least 1 where something was cut; estimated from the bytes where the
    // document was not tokenized to its end.
    uint32_t                 n_dropped = 0;
};

// Asked between pieces: false = the caller has no use for the tokens any more.
using Wanted = std::function<bool()>;

class Prompter {
  public:
    // context_size: tokens a prompt may have, score token included.
    Prompter(const llama_vocab * vocab, llama_token score_token, int32_t context_size);

    // Throws query_too_long when the query leaves no room for one token of a document.
    void check_query(const std::string & query, const Wanted & wanted = {}) const;

    // Throws query_too_long as above, document_too_long when nothing may be cut and something would have to be, and
    // cancelled when it is not wanted any more.
    Prompt
    build(const std::string & query, const std::string & document, Cut cut = {}, const Wanted & wanted = {}) const;

    std::vector<llama_token> tokenize(std::string_view text) const;

  private:
    // A prompt in pieces: the document's first piece gets the heading before it, its last the query behind it. Copies no text.
    struct Pieces {
        std::string_view    document;
        std::vector<size_t> ends;  // in the document

        size_t           size() const { return ends.size(); }
        std::string_view at(size_t i) const;
    };

    // Tokens of a text's start: whole pieces, until there are more than `enough`.
    struct Start {
        std::vector<llama_token> tokens;
        std::vector<size_t>      counts;  // of tokens, up to each piece's end
        bool                     complete = false;

        size_t n_pieces() const { return counts.size(); }
    };

    std::vector<llama_token> tokenize_piece(std::string_view text) const;
    Start                    tokenize(std::string_view text, size_t enough, const Wanted & wanted) const;

    Pieces      pieces(std::string_view document) const;
    // One piece's text; query: nullptr = without.
    std::string text(const Pieces & pieces, size_t i, const std::string * query) const;
    // Of all pieces, or of all but the last, as far as needed.
    Start       start(const Pieces & pieces, const std::string * query, size_t enough, const Wanted & wanted) const;
    Start       start_but_last(const Pieces & pieces, size_t enough, const Wanted & wanted) const;

    Prompt build_cut(const std::string & query, const Pieces & whole, Start read, Cut cut, const Wanted & wanted) const;

    // How many tokens come before the first that holds a byte of the query.
    int32_t prefix_of(const std::vector<llama_token> & tokens, const std::string & query) const;

    size_t n_bytes(llama_token token) const;

    // How many of the tokens of heading and document hold a byte of the heading.
    size_t n_heading(const std::vector<llama_token> & head) const;

    // What is left of the document when n_keep tokens of heading and document are kept, cut to whole characters. head:
    // their first tokens, n_keep or more.
    std::string_view kept_start(const Pieces & pieces, const std::vector<llama_token> & head, size_t n_keep) const;
    std::string_view kept_end(const Pieces & pieces, size_t n_tokens, const Wanted & wanted) const;

    const llama_vocab *      vocab_;
    llama_token              score_token_;
    int32_t                  context_size_;
    std::vector<std::string> whole_words_;  // user-defined tokens, which llama.cpp looks for before it splits
};

}  // namespace jina_reranker
