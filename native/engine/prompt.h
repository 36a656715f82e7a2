#pragma once

// A query and a document as the model reads them. The prompt is tokenized whole, with special-token text as ordinary
// text (pieces tokenized apart would merge differently, and a document could inject the score token), and the score
// token is appended. One that does not fit loses the end of its document (or its start, where that is asked for), never
// of its query. Stateless: used from any thread.

#include "llama.h"
#include "types.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace jina_reranker {

struct Prompt {
    std::vector<llama_token> tokens;         // score token included
    int32_t                  n_prefix  = 0;  // tokens at the start that hold nothing of the query
    uint32_t                 n_dropped = 0;  // tokens the cut made the prompt shorter by
};

class Prompter {
  public:
    // context_size: tokens a prompt may have, score token included.
    Prompter(const llama_vocab * vocab, llama_token score_token, int32_t context_size);

    // Throws query_too_long when the query leaves no room for one token of a document.
    void check_query(const std::string & query) const;

    // Throws query_too_long as above, and document_too_long when nothing may be cut and something would have to be.
    Prompt build(const std::string & query, const std::string & document, Cut cut = {}) const;

    std::vector<llama_token> tokenize(std::string_view text) const;

  private:
    std::string text(const std::string & query, std::string_view document) const;

    // How many tokens come before the first that holds a byte of the query.
    int32_t prefix_of(const std::vector<llama_token> & tokens, const std::string & query) const;

    size_t n_bytes(llama_token token) const;

    // Of the tokens of heading and document: how many hold a byte of the heading; how many bytes of the document the first
    // n_tokens cover; the part of the document that is left when n_keep of them are kept, cut to whole characters.
    size_t n_heading(const std::vector<llama_token> & head) const;
    size_t bytes_of(const std::vector<llama_token> & head, size_t n_tokens, std::string_view document) const;
    std::string_view
    kept(const std::vector<llama_token> & head, size_t n_keep, CutAt at, std::string_view document) const;

    const llama_vocab * vocab_;
    llama_token         score_token_;
    int32_t             context_size_;
};

}  // namespace jina_reranker
