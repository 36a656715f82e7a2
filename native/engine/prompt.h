#pragma once

// A query and a document as the model reads them. The prompt is tokenized whole, with special-token text as ordinary
// text (pieces tokenized apart would merge differently, and a document could inject the score token), and the score
// token is appended. One that does not fit loses the end of its document, never of its query. Stateless: used from any
// thread.

#include "llama.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace jina_reranker {

struct Prompt {
    std::vector<llama_token> tokens;         // score token included
    uint32_t                 n_dropped = 0;  // tokens the cut made the prompt shorter by
};

class Prompter {
  public:
    // context_size: tokens a prompt may have, score token included.
    Prompter(const llama_vocab * vocab, llama_token score_token, int32_t context_size);

    // Throws query_too_long when the query leaves no room for one token of a document.
    void check_query(const std::string & query) const;

    Prompt build(const std::string & query, const std::string & document) const;

    std::vector<llama_token> tokenize(std::string_view text) const;

  private:
    std::string text(const std::string & query, std::string_view document) const;

    // How many bytes of the document its first n_tokens tokens (after the heading) cover, cut back to a whole character.
    size_t bytes_of(const std::vector<llama_token> & tokens, size_t n_tokens, std::string_view document) const;

    const llama_vocab * vocab_;
    llama_token         score_token_;
    int32_t             context_size_;
};

}  // namespace jina_reranker
