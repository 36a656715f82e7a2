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

size_t Prompter::n_bytes(llama_token token) const {
    // Asked for no bytes, it answers with minus the number it would write.
    return static_cast<size_t>(std::abs(llama_token_to_piece(vocab_, token, nullptr, 0, 0, true)));
}

int32_t Prompter::prefix_of(const std::vector<llama_token> & tokens, const std::string & query) const {
    size_t n_tokens = tokens.size();
    for (size_t n_seen = 0; n_seen < query.size() && n_tokens > 0; --n_tokens) {
        n_seen += n_bytes(tokens[n_tokens - 1]);
    }
    return static_cast<int32_t>(n_tokens);
}

size_t Prompter::bytes_of(const std::vector<llama_token> & tokens, size_t n_tokens, std::string_view document) const {
    size_t n_bytes = 0;
    for (size_t i = 0; i < std::min(n_tokens, tokens.size()); ++i) {
        n_bytes += this->n_bytes(tokens[i]);
    }
    n_bytes = n_bytes > kDocumentHeading.size() ? n_bytes - kDocumentHeading.size() : 0;
    return std::min(n_bytes, document.size());
}

std::string_view
Prompter::kept(const std::vector<llama_token> & head, size_t n_keep, CutAt at, std::string_view document) const {
    const auto inside_character = [&](size_t i) {
        return i > 0 && i < document.size() && (static_cast<unsigned char>(document[i]) & 0xC0U) == 0x80U;
    };
    size_t cut = 0;
    if (at == CutAt::start) {
        for (cut = bytes_of(head, n_heading(head) + head.size() - n_keep, document); inside_character(cut);) {
            ++cut;
        }
        return document.substr(cut);
    }
    for (cut = bytes_of(head, n_keep, document); inside_character(cut);) {
        --cut;
    }
    return document.substr(0, cut);
}

size_t Prompter::n_heading(const std::vector<llama_token> & head) const {
    size_t n_tokens = 0;
    for (size_t n_seen = 0; n_seen < kDocumentHeading.size() && n_tokens < head.size(); ++n_tokens) {
        n_seen += n_bytes(head[n_tokens]);
    }
    return n_tokens;
}

Prompt Prompter::build(const std::string & query, const std::string & document, Cut cut) const {
    Prompt       prompt;
    const size_t limit      = static_cast<size_t>(context_size_) - 1;  // without the score token
    const auto   max_tokens = static_cast<size_t>(cut.max_tokens);
    prompt.tokens           = tokenize(text(query, document));
    const size_t n_whole    = prompt.tokens.size();

    // A token covers at least one byte, so a document of fewer bytes is never too long for max_tokens.
    if (n_whole > limit || (max_tokens > 0 && document.size() > max_tokens)) {
        check_query(query);
        const std::vector<llama_token> head   = tokenize(std::string(kDocumentHeading).append(document));
        // Tokens of heading and document to keep; merges at the cut can shift the count by a few, hence the loop.
        size_t                         n_keep = head.size();
        if (max_tokens > 0) {
            n_keep = std::min(n_keep, n_heading(head) + max_tokens);
        }
        if (n_whole > limit) {
            const size_t n_over = n_whole - limit;
            n_keep              = std::min(n_keep, head.size() > n_over ? head.size() - n_over : 0);
        }
        if (n_keep < head.size() && cut.at == CutAt::never) {
            throw Error(ErrorCode::document_too_long, "takes " + std::to_string(head.size()) +
                                                          " tokens, there is room for " + std::to_string(n_keep) +
                                                          " and nothing may be cut");
        }
        while (n_keep < head.size()) {
            prompt.tokens = tokenize(text(query, kept(head, n_keep, cut.at, document)));
            if (prompt.tokens.size() <= limit) {
                break;
            }
            n_keep -= std::min(n_keep, prompt.tokens.size() - limit);
        }
        prompt.n_dropped = static_cast<uint32_t>(n_whole - std::min(n_whole, prompt.tokens.size()));
    }
    prompt.n_prefix = prefix_of(prompt.tokens, query);
    prompt.tokens.push_back(score_token_);
    return prompt;
}

}  // namespace jina_reranker
