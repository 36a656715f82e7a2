#include "text-pieces.h"

#include <algorithm>

namespace jina_reranker {

namespace {

using namespace std::string_view_literals;

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_ascii(char c) {
    return static_cast<unsigned char>(c) < 0x80;
}

// Second and later bytes of a character.
bool is_continuation(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

// White space beyond ASCII is two bytes that begin with C2 or three that begin with E1, E2 or E3; others begin like that, too.
bool may_end_in_space(std::string_view text) {
    const char last = text.back();
    if (is_ascii(last)) {
        return last <= ' ' || last == '\x7F';
    }
    const auto begins_like_space = [&](size_t n_bytes, std::string_view leads) {
        return text.size() >= n_bytes && leads.find(text[text.size() - n_bytes]) != std::string_view::npos;
    };
    return begins_like_space(2, "\xC2"sv) || begins_like_space(3, "\xE1\xE2\xE3"sv);
}

// Han characters of U+5000 to U+8FFF, all of which are letters.
bool ends_in_han(std::string_view text) {
    return text.size() >= 3 && text[text.size() - 3] >= '\xE5' && text[text.size() - 3] <= '\xE8' &&
           is_continuation(text[text.size() - 2]) && is_continuation(text.back());
}

// The pre-tokenizer's expression is
//     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
// and no match of it spans a place of these kinds, nor looks beyond it.
bool splits_surely(std::string_view text, size_t at) {
    const std::string_view before = text.substr(0, at);
    const std::string_view after  = text.substr(at);
    const char             last   = before.back();
    const char             next   = after.front();
    if (is_continuation(next)) {
        return false;
    }
    return is_digit(last)                                 // a digit stands alone
           || (next == ' ' && !may_end_in_space(before))  // a space begins a match or follows white space
           ||
           (last == '\n' && next > ' ' && next < '\x7F')  // a newline ends one that other white space does not continue
           || (is_letter(last) && is_ascii(next) && !is_letter(next))  // a letter is followed by letters only
           || (ends_in_han(before) &&
               (after.substr(0, 3) == "。"sv || after.substr(0, 3) == "，"sv || after.substr(0, 3) == "、"sv));
}

bool is_within(std::string_view text, size_t at, const std::vector<std::string> & words) {
    return std::any_of(words.begin(), words.end(), [&](const std::string & word) {
        const size_t begin = at - std::min(at, word.size() - 1);
        return text.substr(begin, at + word.size() - 1 - begin).find(word) != std::string_view::npos;
    });
}

size_t piece_end(std::string_view text, size_t begin, const std::vector<std::string> & whole_words) {
    if (text.size() - begin <= kPieceBytes) {
        return text.size();
    }
    const size_t most = std::min(text.size(), begin + kMostPieceBytes);
    for (size_t at = begin + kPieceBytes; at < most; ++at) {
        if (splits_surely(text, at) && !is_within(text, at, whole_words)) {
            return at;
        }
    }
    size_t end = most;
    while (end < text.size() && end > begin + kPieceBytes && is_continuation(text[end])) {
        --end;
    }
    return end;
}

}  // namespace

std::vector<size_t> piece_ends(std::string_view text, const std::vector<std::string> & whole_words) {
    std::vector<size_t> ends;
    do {
        ends.push_back(piece_end(text, ends.empty() ? 0 : ends.back(), whole_words));
    } while (ends.back() < text.size());
    return ends;
}

}  // namespace jina_reranker
