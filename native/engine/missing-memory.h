#pragma once

// Tells from error lines whether memory was missing: llama.cpp, ggml and drivers report it in no other way. Pure.

#include <algorithm>
#include <cctype>
#include <initializer_list>
#include <string>

namespace jina_reranker {

inline bool tell_of_missing_memory(std::string errors) {
    std::transform(errors.begin(), errors.end(), errors.begin(),
                   [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
    const auto said = [&](const char * text) {
        return errors.find(text) != std::string::npos;
    };
    const std::initializer_list<const char *> texts = {
        "failed to allocate",                            // ggml, llama.cpp's KV cache and graphs
        "unable to allocate",                            // llama.cpp's weights
        "bad_alloc",          "insufficient memory",     // ggml_aligned_malloc
        "out of memory",      "outofdevicememory",       // CUDA, Vulkan
        "outofhostmemory",    "cannot allocate memory",  // Vulkan, the C library
    };
    return std::any_of(texts.begin(), texts.end(), said);
}

}  // namespace jina_reranker
