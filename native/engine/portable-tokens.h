#pragma once

// Tokens as they mean the same in every process: the vocabulary's are, the number of an image is not. Any thread.

#include "image-tokens.h"
#include "llama.h"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace jina_reranker {

// The first n_tokens tokens, in which images have the numbers −1, −2 … in their order, and behind them the images' names. None where
// the name of an image was forgotten.
std::optional<std::string>
portable_tokens(const std::vector<llama_token> & tokens, size_t n_tokens, ImageTokens & images);

// The tokens again; none where the bytes are no such tokens.
std::optional<std::vector<llama_token>> tokens_of_portable(std::string_view bytes, ImageTokens & images);

}  // namespace jina_reranker
