#include "prompt.h"

#include "error.h"
#include "text-pieces.h"

#include <algorithm>

namespace jina_reranker {

namespace {

constexpr std::string_view kDocumentHeading = "**Document**:\n";
constexpr std::string_view kQueryHeading    = "\n**Query**:\n";

bool is_inside_character(std::string_view text, size_t at) {
    return at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
}

}  // namespace

Prompter::Prompter(const llama_vocab * vocab, llama_token score_token, int32_t context_size) :
    vocab_(vocab),
    score_token_(score_token),
    context_size_(context_size) {
    for (llama_token token = 0; token < llama_vocab_n_tokens(vocab); ++token) {
        if ((llama_vocab_get_attr(vocab, token) & LLAMA_TOKEN_ATTR_USER_DEFINED) != 0) {
            whole_words_.emplace_back(llama_vocab_get_text(vocab, token));
        }
    }
    whole_words_.erase(std::remove(whole_words_.begin(), whole_words_.end(), std::string()), whole_words_.end());
}

std::vector<llama_token> Prompter::tokenize_piece(std::string_view text) const {
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

Prompter::Start Prompter::tokenize(std::string_view text, size_t enough, const Wanted & wanted) const {
    Start                     result;
    size_t                    begin = 0;
    const std::vector<size_t> ends  = piece_ends(text, whole_words_);
    while (result.n_pieces() < ends.size() && result.tokens.size() <= enough) {
        if (wanted && !wanted()) {
            throw Error(ErrorCode::cancelled, "the tokens are not wanted any more");
        }
        const size_t end    = ends[result.n_pieces()];
        const auto   tokens = tokenize_piece(text.substr(begin, end - begin));
        result.tokens.insert(result.tokens.end(), tokens.begin(), tokens.end());
        result.counts.push_back(result.tokens.size());
        begin = end;
    }
    result.complete = result.n_pieces() == ends.size();
    return result;
}

std::vector<llama_token> Prompter::tokenize(std::string_view text) const {
    return tokenize(text, SIZE_MAX, {}).tokens;
}

std::string_view Prompter::Pieces::at(size_t i) const {
    const size_t begin = i == 0 ? 0 : ends[i - 1];
    return document.substr(begin, ends[i] - begin);
}

Prompter::Pieces Prompter::pieces(std::string_view document) const {
    return { document, piece_ends(document, whole_words_) };
}

std::string Prompter::text(const Pieces & pieces, size_t i, const std::string * query) const {
    std::string text(i == 0 ? kDocumentHeading : std::string_view());
    text.append(pieces.at(i));
    if (query != nullptr && i + 1 == pieces.size()) {
        text.append(kQueryHeading).append(*query);
    }
    return text;
}

Prompter::Start Prompter::start_but_last(const Pieces & pieces, size_t enough, const Wanted & wanted) const {
    Start result;
    while (result.n_pieces() + 1 < pieces.size() && result.tokens.size() <= enough) {
        const Start piece = tokenize(text(pieces, result.n_pieces(), nullptr), SIZE_MAX, wanted);
        result.tokens.insert(result.tokens.end(), piece.tokens.begin(), piece.tokens.end());
        result.counts.push_back(result.tokens.size());
    }
    return result;
}

Prompter::Start
Prompter::start(const Pieces & pieces, const std::string * query, size_t enough, const Wanted & wanted) const {
    Start result = start_but_last(pieces, enough, wanted);
    if (result.n_pieces() + 1 == pieces.size() && result.tokens.size() <= enough) {
        const Start last = tokenize(text(pieces, result.n_pieces(), query), enough - result.tokens.size(), wanted);
        result.tokens.insert(result.tokens.end(), last.tokens.begin(), last.tokens.end());
        result.counts.push_back(result.tokens.size());
        result.complete = last.complete;
    }
    return result;
}

void Prompter::check_query(const std::string & query, const Wanted & wanted) const {
    const auto  limit = static_cast<size_t>(context_size_);
    const Start read  = start(pieces(""), &query, limit, wanted);
    const auto  n     = read.tokens.size() + 1;
    if (n >= limit) {
        throw Error(ErrorCode::query_too_long, "query: takes " + std::string(read.complete ? "" : "more than ") +
                                                   std::to_string(read.complete ? n : limit) + " of the " +
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

size_t Prompter::n_heading(const std::vector<llama_token> & head) const {
    size_t n_tokens = 0;
    for (size_t n_seen = 0; n_seen < kDocumentHeading.size() && n_tokens < head.size(); ++n_tokens) {
        n_seen += n_bytes(head[n_tokens]);
    }
    return n_tokens;
}

std::string_view
Prompter::kept_start(const Pieces & pieces, const std::vector<llama_token> & head, size_t n_keep) const {
    size_t n_kept_bytes = 0;
    for (size_t i = 0; i < std::min(n_keep, head.size()); ++i) {
        n_kept_bytes += n_bytes(head[i]);
    }
    size_t end = n_kept_bytes - std::min(n_kept_bytes, kDocumentHeading.size());
    end        = std::min(end, pieces.document.size());
    while (is_inside_character(pieces.document, end)) {
        --end;
    }
    return pieces.document.substr(0, end);
}

std::string_view Prompter::kept_end(const Pieces & pieces, size_t n_tokens, const Wanted & wanted) const {
    size_t n_left       = n_tokens;
    size_t n_kept_bytes = 0;
    for (size_t i = pieces.size(); i > 0 && n_left > 0; --i) {
        const std::vector<llama_token> tokens = tokenize(text(pieces, i - 1, nullptr), SIZE_MAX, wanted).tokens;
        const size_t                   n_kept = std::min(n_left, tokens.size());
        for (size_t k = tokens.size() - n_kept; k < tokens.size(); ++k) {
            n_kept_bytes += n_bytes(tokens[k]);
        }
        n_left -= n_kept;
    }
    size_t begin = pieces.document.size() - std::min(n_kept_bytes, pieces.document.size());
    while (is_inside_character(pieces.document, begin)) {
        ++begin;
    }
    return pieces.document.substr(begin);
}

Prompt Prompter::build(const std::string & query, const std::string & document, Cut cut, const Wanted & wanted) const {
    Prompt       prompt;
    const size_t limit      = static_cast<size_t>(context_size_) - 1;  // without the score token
    const auto   max_tokens = static_cast<size_t>(cut.max_tokens);
    const Pieces whole      = pieces(document);
    Start        read       = start(whole, &query, limit, wanted);

    // A token covers at least one byte, so a document of fewer bytes is never too long for max_tokens.
    if (read.tokens.size() <= limit && (max_tokens == 0 || document.size() <= max_tokens)) {
        prompt.tokens = std::move(read.tokens);
    } else {
        check_query(query, wanted);
        prompt = build_cut(query, whole, std::move(read), cut, wanted);
    }
    prompt.n_prefix = prefix_of(prompt.tokens, query);
    prompt.tokens.push_back(score_token_);
    return prompt;
}

// Of a document that may be too long; read: what of the prompt has been tokenized.
Prompt
Prompter::build_cut(const std::string & query, const Pieces & whole, Start read, Cut cut, const Wanted & wanted) const {
    const size_t limit      = static_cast<size_t>(context_size_) - 1;
    const auto   max_tokens = static_cast<size_t>(cut.max_tokens);
    const size_t i_last     = whole.size() - 1;
    const auto   last       = tokenize(text(whole, i_last, nullptr), SIZE_MAX, wanted).tokens;
    const auto   with_query = tokenize(text(whole, i_last, &query), SIZE_MAX, wanted).tokens;
    const size_t n_query    = with_query.size() - std::min(with_query.size(), last.size());

    // Tokens of heading and document to keep.
    Start  head   = read.n_pieces() <= i_last ? std::move(read) : start_but_last(whole, limit, wanted);
    size_t n_keep = limit - std::min(limit, n_query);
    if (max_tokens > 0) {
        n_keep = std::min(n_keep, n_heading(whole.size() > 1 ? head.tokens : last) + max_tokens);
    }
    head.complete       = head.n_pieces() == i_last;
    const size_t n_read = head.tokens.size();
    size_t       n_all  = n_read + with_query.size();  // of the prompt
    if (head.complete) {
        head.tokens.insert(head.tokens.end(), last.begin(), last.end());
    } else {
        const double n_per_byte = static_cast<double>(n_read) / static_cast<double>(whole.ends[head.n_pieces() - 1]);
        n_all = static_cast<size_t>(n_per_byte * static_cast<double>(whole.document.size())) + n_query;
    }
    const bool fits = head.complete && head.tokens.size() <= n_keep;
    if (!fits && cut.at == CutAt::never) {
        throw Error(ErrorCode::document_too_long, "takes more than the " + std::to_string(n_keep) +
                                                      " tokens there is room for and nothing may be cut");
    }
    Prompt prompt;
    if (fits) {
        prompt.tokens = start(whole, &query, SIZE_MAX, wanted).tokens;
        return prompt;
    }
    // Merges at the cut can shift the count by a few, hence the loop.
    for (size_t n_over = 0;; n_keep -= std::min(n_keep, n_over)) {
        if (cut.at == CutAt::start) {
            const size_t n_tokens = n_keep - std::min(n_keep, n_heading(whole.size() > 1 ? head.tokens : last));
            prompt.tokens         = start(pieces(kept_end(whole, n_tokens, wanted)), &query, SIZE_MAX, wanted).tokens;
        } else {
            // All but the last of its pieces are the whole document's, whose tokens are there.
            const Pieces kept   = pieces(kept_start(whole, head.tokens, n_keep));
            const size_t n_same = kept.size() - 1;
            const auto   rest   = tokenize(text(kept, n_same, &query), SIZE_MAX, wanted).tokens;
            prompt.tokens.assign(head.tokens.begin(),
                                 head.tokens.begin() +
                                     static_cast<std::ptrdiff_t>(n_same == 0 ? 0 : head.counts[n_same - 1]));
            prompt.tokens.insert(prompt.tokens.end(), rest.begin(), rest.end());
        }
        if (prompt.tokens.size() <= limit) {
            break;
        }
        n_over = prompt.tokens.size() - limit;
    }
    prompt.n_dropped = static_cast<uint32_t>(std::max<size_t>(1, n_all - std::min(n_all, prompt.tokens.size())));
    return prompt;
}

}  // namespace jina_reranker
