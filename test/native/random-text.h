#pragma once

// Texts that put the pre-tokenizer's rules to the test.

#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace jina_reranker {

// A text of about n_bytes, of one kind or of all mixed.
inline std::string random_text(std::mt19937 & random, uint32_t kind, size_t n_bytes) {
    static const std::vector<std::vector<std::string>> kinds = {
        { "the", "River", "stones", "l'eau", "don't", "WE'RE", " ", " ", " ", ", ", ".", "\n", "\n\n", "4", "2024",
          "é" },
        { " ", " ", " ", "  ", "\n", "\r\n", "\t", "\u00A0", "\u3000", "\u2003", "a", ".\n", " \n ", "1" },
        { "漢", "字", "仮", "名", "交", "文", "。", "，", "、", "の", "は", "カ", "\n", "\u3000", "한국", "７" },
        { "0", "1", "9", "३", "Ⅷ", ",", ".", "-", " ", "e" },
        { "{", "}", "(", ");", "==", "\"", "'", "'s", "'LL", "_", "\n", " ", "x", "𝒳", "++", "//" },
        { "слово", "שלום", "مرحبا", "नमस्ते", "ไทย", "e\u0301", "👩‍👩‍👧‍👦", "😀", " ", ", ", "\u00A0",
          "\u2028", "\u0085", "\u200B" },
        { "<|im_start|>", "<tool_call>", "<|endoftext|>", " ", "\n", "word", "_", "7" },
    };
    std::string text;
    while (text.size() < n_bytes) {
        const auto & words = kinds[kind < kinds.size() ? kind : random() % kinds.size()];
        text += words[random() % words.size()];
    }
    return text;
}

}  // namespace jina_reranker
