#pragma once

// Makes of a query and a document the tokens that the model reads. The prompt is tokenized as one text, because parts tokenized
// apart would merge differently, and special tokens in it are ordinary text, because a document could inject the score token,
// which is appended. A prompt that does not fit loses the end of its document (the start, where that is asked for), never a
// part of its query. A document is read no further than its tokens can be kept. Any thread.
//
// The pre-tokenizer splits surely behind the line break that follows the document: "\n" | "**Query**:". So the part before has
// the same tokens for every query, and the part behind for every document: known texts are tokenized once (tokenizer.h). It
// splits likewise behind an instruction, which is a line before the document's heading: "\n" | "**Document**:".
//
// An image stands in the place of a text, between two tokens that mark it, as its number once for each of its rows. It is never cut.

#include "tokenizer.h"
#include "types.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace jina_reranker {

struct Prompt {
    Tokens   tokens;         // score token included
    int32_t  n_prefix  = 0;  // tokens at the start that those of the prompt before an empty query begin with
    // Tokens the cut made the prompt shorter by: at least 1 where something was cut; estimated from the bytes where the
    // document was not tokenized to its end.
    uint32_t n_dropped = 0;
};

// The tokens around an image.
struct ImageMarks {
    llama_token begin = 0;
    llama_token end   = 0;
};

class Prompter {
  public:
    // context_size: tokens a prompt may have, score token included. known_bytes: as Tokenizer's. Throws model_invalid where a
    // word of the vocabulary could span the place between the prompt's parts.
    // marks: none where no image comes.
    Prompter(const llama_vocab *       vocab,
             llama_token               score_token,
             int32_t                   context_size,
             size_t                    known_bytes = 0,
             std::optional<ImageMarks> marks       = std::nullopt);

    // Throws query_too_long when instruction and query leave no room for one token of a document.
    void check_query(const Content & query, const Wanted & wanted = {}, const std::string & instruction = {}) const;

    // Throws query_too_long as above, document_too_long when nothing may be cut and something would have to be, and
    // cancelled when it is not wanted any more. instruction: empty = none.
    Prompt build(const Content &     query,
                 const Content &     document,
                 Cut                 cut         = {},
                 const Wanted &      wanted      = {},
                 const std::string & instruction = {}) const;

    const Tokenizer & tokenizer() const { return tokenizer_; }

  private:
    // The part of the prompt before the document's heading, or behind the document.
    struct Part {
        Tokens tokens;
        bool   whole    = true;  // false: it is longer than a prompt may be, and was not read to its end
        size_t n_before = 0;     // tokens that are the same for every query, unless one begins with a line break
    };

    Part      read_part(const std::string & text, const Wanted & wanted) const;
    Part      read_instruction(const std::string & instruction, const Wanted & wanted) const;
    Part      read_query(const Content & query, const Wanted & wanted) const;
    void      append(Tokens & tokens, const RequestImage & image) const;
    // The part between: heading, document and line break.
    TextStart read_document(std::string_view document, size_t enough, const Wanted & wanted) const;
    Tokens    tokens_of_image(const RequestImage & image, const Wanted & wanted) const;

    enum class LineBreak { with, without };

    // document[begin, end) as it is in the prompt: behind the heading at the document's start, before the line break at its end.
    Tokens
    tokens_of(std::string_view document, size_t begin, size_t end, LineBreak line_break, const Wanted & wanted) const;

    Prompt
    cut_document(std::string_view document, TextStart read, size_t n_others, Cut cut, const Wanted & wanted) const;

    // How many of the tokens of heading and document hold a byte of the heading.
    size_t n_heading(const Tokens & head) const;

    // What is left of the document when n_keep tokens of heading and document are kept, cut to whole characters. head:
    // their first tokens, n_keep or more.
    std::string_view kept_start(std::string_view document, const Tokens & head, size_t n_keep) const;
    std::string_view kept_end(std::string_view document, size_t n_tokens, const Wanted & wanted) const;

    Tokenizer   tokenizer_;
    Tokens      query_heading_;
    llama_token score_token_;
    size_t      limit_;  // tokens of a prompt, score token excluded
    ImageMarks  marks_;
};

}  // namespace jina_reranker
