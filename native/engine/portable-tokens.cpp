#include "portable-tokens.h"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace jina_reranker {

namespace {

void append(std::string & bytes, int32_t number) {
    bytes.append(reinterpret_cast<const char *>(&number), sizeof(number));
}

std::optional<int32_t> take_number(std::string_view & bytes) {
    int32_t number = 0;
    if (bytes.size() < sizeof(number)) {
        return std::nullopt;
    }
    std::memcpy(&number, bytes.data(), sizeof(number));
    bytes.remove_prefix(sizeof(number));
    return number;
}

// How many of something the bytes have, of which each takes at least n_bytes.
std::optional<size_t> take_count(std::string_view & bytes, size_t n_bytes) {
    const auto number = take_number(bytes);
    if (!number || *number < 0 || static_cast<size_t>(*number) > bytes.size() / n_bytes) {
        return std::nullopt;
    }
    return static_cast<size_t>(*number);
}

}  // namespace

std::optional<std::string>
portable_tokens(const std::vector<llama_token> & tokens, size_t n_tokens, ImageTokens & images) {
    std::vector<llama_token> seen;
    std::string              bytes;
    bytes.reserve((n_tokens + 2) * sizeof(int32_t));
    append(bytes, static_cast<int32_t>(n_tokens));
    for (size_t i = 0; i < n_tokens; ++i) {
        if (tokens[i] >= 0) {
            append(bytes, tokens[i]);
            continue;
        }
        const auto found = std::find(seen.begin(), seen.end(), tokens[i]);
        append(bytes, -1 - static_cast<int32_t>(found - seen.begin()));
        if (found == seen.end()) {
            seen.push_back(tokens[i]);
        }
    }
    append(bytes, static_cast<int32_t>(seen.size()));
    for (const llama_token image : seen) {
        const auto name = images.name_of(image);
        if (!name) {
            return std::nullopt;
        }
        append(bytes, static_cast<int32_t>(name->size()));
        bytes += *name;
    }
    return bytes;
}

std::optional<std::vector<llama_token>> tokens_of_portable(std::string_view bytes, ImageTokens & images) {
    const auto n_tokens = take_count(bytes, sizeof(int32_t));
    if (!n_tokens) {
        return std::nullopt;
    }
    std::vector<llama_token> tokens(*n_tokens);
    std::memcpy(tokens.data(), bytes.data(), *n_tokens * sizeof(int32_t));
    bytes.remove_prefix(*n_tokens * sizeof(int32_t));
    const auto n_images = take_count(bytes, sizeof(int32_t));
    if (!n_images) {
        return std::nullopt;
    }
    std::vector<llama_token> numbers;
    for (size_t i = 0; i < *n_images; ++i) {
        const auto n_name = take_count(bytes, 1);
        if (!n_name) {
            return std::nullopt;
        }
        numbers.push_back(images.token_of(std::string(bytes.substr(0, *n_name))));
        bytes.remove_prefix(*n_name);
    }
    for (llama_token & token : tokens) {
        if (token < 0) {
            const auto place = static_cast<size_t>(-(token + 1));
            if (place >= numbers.size()) {
                return std::nullopt;
            }
            token = numbers[place];
        }
    }
    return bytes.empty() ? std::optional(tokens) : std::nullopt;
}

}  // namespace jina_reranker
