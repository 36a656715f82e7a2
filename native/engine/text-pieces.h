#pragma once

// Cuts a long text into pieces that tokenize as the whole does: where Qwen2's pre-tokenizer splits whatever text stands before
// and behind. A piece bounds the time of one call of the tokenizer, which nothing can stop. Pieces are found one by one, so of a
// giant text only what is wanted is looked at. gguf-check.h refuses files with another pre-tokenizer. Pure; any thread.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace jina_reranker {

// A piece has at least so many bytes and ends at the next sure split: 1,000 tokens of English text, which take 3 ms.
constexpr size_t kPieceBytes     = size_t{ 4 } << 10U;
// Without a sure split, as in a run of one letter or sign, a piece ends after so many bytes, between two characters. Only there
// may tokens differ from those of the whole.
constexpr size_t kMostPieceBytes = size_t{ 32 } << 10U;

// Tokens that llama.cpp looks for before the pre-tokenizer splits. No sure split lies within one of them.
using WholeWords = std::vector<std::string>;

// The end of the piece that begins at `begin`; the text's end for the last one.
size_t piece_end(std::string_view text, size_t begin, const WholeWords & whole_words);

// The begin of a piece that ends at `end`; 0 for the first one. Backwards, a text has other pieces than forwards.
size_t piece_begin(std::string_view text, size_t end, const WholeWords & whole_words);

}  // namespace jina_reranker
