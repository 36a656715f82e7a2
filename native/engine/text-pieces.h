#pragma once

// Cuts a long text into pieces that tokenize as the whole does: where Qwen2's pre-tokenizer splits whatever text stands before
// and behind. A piece bounds the time of one call of the tokenizer, which nothing can stop. Pure; any thread.

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

// The ends of a text's pieces, at least one; the last is the text's end. No sure split lies within one of the whole_words,
// which are tokens that llama.cpp looks for before the pre-tokenizer splits.
std::vector<size_t> piece_ends(std::string_view text, const std::vector<std::string> & whole_words);

}  // namespace jina_reranker
