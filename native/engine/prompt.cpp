#include "prompt.h"

#include "error.h"

#include <algorithm>

namespace jina_reranker {

namespace {

constexpr std::string_view kDocumentHeading = "**Document**:\n";
constexpr std::string_view kQueryHeading    = "\n**Query**:\n";

}  // namespace

Prompter::Prompter(const llama_vocab * vocab, llama_token score_token, int32_t context_size) :
    vocab_(vocab),
    score_token_(score_token),
    context_size_(context_size) {}

std::vector<llama_token> Prompter::tokenize(std::string_view text) const {
    if (text.size() > static_cast<size_t>(INT32_MAX)) {
        throw Error(ErrorCode::invalid_argument, "a text of more than 2 GiB cannot be tokenized");
    }
    const auto               n_bytes = static_cast<int32_t>(text.size());
    // A token covers at least one byte, so this always suffices; most texts need a quarter.
    std::vector<llama_token> tokens(text.size() / 3 + 16);
    int32_t n_tokens = llama_tokenize(vocab_, text.data(), n_bytes, tokens.data(), static_cast<int32_t>(tokens.size()),
                                      /*add_special*/ false, /*parse_special*/ false);
    if (n_tokens < 0 && n_tokens != INT32_MIN) {
        tokens.resize(static_cast<size_t>(-n_tokens));
        n_tokens = llama_tokenize(vocab_, text.data(), n_bytes, tokens.data(), static_cast<int32_t>(tokens.size()),
                                  false, false);
    }
    if (n_tokens < 0) {
        throw Error(ErrorCode::engine_error,
                    "llama_tokenize failed on a text of " + std::to_string(n_bytes) + " bytes");
    }
    tokens.resize(static_cast<size_t>(n_tokens));
    return tokens;
}

std::string Prompter::text(const std::string & query, std::string_view document) const {
    std::string prompt;
    prompt.reserve(kDocumentHeading.size() + document.size() + kQueryHeading.size() + query.size());
    prompt.append(kDocumentHeading).append(document).append(kQueryHeading).append(query);
    return prompt;
}

void Prompter::check_query(const std::string & query) const {
    const size_t n_tokens = tokenize(text(query, "")).size() + 1;
    if (n_tokens >= static_cast<size_t>(context_size_)) {
        throw Error(ErrorCode::query_too_long, "query: takes " + std::to_string(n_tokens) + " of the " +
                                                   std::to_string(context_size_) +
                                                   " tokens a pair may have, which leaves no room for a document");
    }
}

size_t Prompter::bytes_of(const std::vector<llama_token> & tokens, size_t n_tokens, std::string_view document) const {
    size_t n_bytes = 0;
    for (size_t i = 0; i < std::min(n_tokens, tokens.size()); ++i) {
        // Asked for no bytes, it answers with minus the number it would write.
        n_bytes += static_cast<size_t>(std::abs(llama_token_to_piece(vocab_, tokens[i], nullptr, 0, 0, true)));
    }
    n_bytes = n_bytes > kDocumentHeading.size() ? n_bytes - kDocumentHeading.size() : 0;
    n_bytes = std::min(n_bytes, document.size());
    while (n_bytes > 0 && n_bytes < document.size() &&
           (static_cast<unsigned char>(document[n_bytes]) & 0xC0U) == 0x80U) {
        --n_bytes;
    }
    return n_bytes;
}

Prompt Prompter::build(const std::string & query, const std::string & document) const {
    Prompt       prompt;
    const size_t limit = static_cast<size_t>(context_size_) - 1;  // without the score token
    prompt.tokens      = tokenize(text(query, document));

    if (prompt.tokens.size() > limit) {
        check_query(query);
        const size_t                   n_whole = prompt.tokens.size();
        const std::vector<llama_token> head    = tokenize(std::string(kDocumentHeading).append(document));
        // Tokens of heading and document to keep; merges at the cut can shift the count by a few, hence the loop.
        size_t                         n_keep  = head.size() > n_whole - limit ? head.size() - (n_whole - limit) : 0;
        while (true) {
            prompt.tokens =
                tokenize(text(query, std::string_view(document).substr(0, bytes_of(head, n_keep, document))));
            if (prompt.tokens.size() <= limit) {
                break;
            }
            n_keep -= std::min(n_keep, prompt.tokens.size() - limit);
        }
        prompt.n_dropped = static_cast<uint32_t>(n_whole - prompt.tokens.size());
    }
    prompt.tokens.push_back(score_token_);
    return prompt;
}

}  // namespace jina_reranker
