#include "tokenizer.h"

#include "error.h"

#include <cstdlib>

namespace jina_reranker {

void TextStart::add(const Tokens & piece, size_t piece_end) {
    tokens.insert(tokens.end(), piece.begin(), piece.end());
    ends.push_back(piece_end);
    counts.push_back(tokens.size());
}

void TextStart::drop_last() {
    ends.pop_back();
    counts.pop_back();
    tokens.resize(counts.empty() ? 0 : counts.back());
}

Tokenizer::Tokenizer(const llama_vocab * vocab, size_t known_bytes) : vocab_(vocab), known_(known_bytes) {
    for (llama_token token = 0; token < llama_vocab_n_tokens(vocab); ++token) {
        const std::string text = llama_vocab_get_text(vocab, token);
        if ((llama_vocab_get_attr(vocab, token) & LLAMA_TOKEN_ATTR_USER_DEFINED) != 0 && !text.empty()) {
            whole_words_.push_back(text);
        }
    }
}

Tokens Tokenizer::make(std::string_view text) const {
    const auto n_bytes = static_cast<int32_t>(text.size());
    // A token covers at least one byte, so this always suffices; most texts need a quarter.
    Tokens     tokens(text.size() / 3 + 16);
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
    n_made_ += tokens.size();
    return tokens;
}

Tokens Tokenizer::tokenize_piece(std::string_view text) const {
    if (!known_.enabled()) {
        return make(text);
    }
    const uint64_t hash = std::hash<std::string_view>()(text);
    if (auto known = known_.find(hash, text)) {
        return *std::move(known);
    }
    Tokens       tokens  = make(text);
    const size_t n_bytes = text.size() + tokens.size() * sizeof(llama_token);
    known_.insert(hash, std::string(text), tokens, n_bytes);
    return tokens;
}

TextStart Tokenizer::tokenize(std::string_view text, size_t enough, const Wanted & wanted) const {
    TextStart start;
    do {
        if (wanted && !wanted()) {
            throw Error(ErrorCode::cancelled, "the tokens are not wanted any more");
        }
        const size_t begin = start.end();
        const size_t end   = piece_end(text, begin, whole_words_);
        start.add(tokenize_piece(text.substr(begin, end - begin)), end);
    } while (start.end() < text.size() && start.tokens.size() <= enough);
    return start;
}

size_t Tokenizer::n_bytes(llama_token token) const {
    // Asked for no bytes, it answers with minus the number it would write.
    return static_cast<size_t>(std::abs(llama_token_to_piece(vocab_, token, nullptr, 0, 0, true)));
}

}  // namespace jina_reranker
