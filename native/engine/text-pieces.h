#pragma once

// Where a long text may be cut so that its pieces tokenize as the whole does: where Qwen2's pre-tokenizer splits whatever
// stands around. A piece bounds what one call of the tokenizer takes, which can neither be stopped nor hurried. Pure.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace jina_reranker {

// Bytes of a piece, up to the next sure split; 1,000 tokens of English text, 3 ms.
constexpr size_t kPieceBytes     = size_t{ 4 } << 10U;
// A text without a sure split, a run of one letter or sign, is cut after that many, at a whole character: only there may
// tokens differ from those of the whole.
constexpr size_t kMostPieceBytes = size_t{ 32 } << 10U;

// The ends of a text's pieces, the last of which is the text's own; one piece at least. No piece ends within one of the
// whole_words, which are tokens that the vocabulary looks for before it splits.
std::vector<size_t> piece_ends(std::string_view text, const std::vector<std::string> & whole_words);

}  // namespace jina_reranker
