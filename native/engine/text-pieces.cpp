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

// Or may be, where the word could reach beyond the text: a document has a heading before it and a line break behind.
bool is_within(std::string_view text, size_t at, const WholeWords & words) {
    return std::any_of(words.begin(), words.end(), [&](const std::string & word) {
        const size_t n_beside = word.size() - 1;
        return at < n_beside || text.size() - at < n_beside ||
               text.substr(at - n_beside, 2 * n_beside).find(word) != std::string_view::npos;
    });
}

bool may_cut(std::string_view text, size_t at, const WholeWords & whole_words) {
    return splits_surely(text, at) && !is_within(text, at, whole_words);
}

}  // namespace

size_t piece_end(std::string_view text, size_t begin, const WholeWords & whole_words) {
    if (text.size() - begin <= kPieceBytes) {
        return text.size();
    }
    const size_t most = std::min(text.size(), begin + kMostPieceBytes);
    for (size_t at = begin + kPieceBytes; at < most; ++at) {
        if (may_cut(text, at, whole_words)) {
            return at;
        }
    }
    size_t end = most;
    while (end < text.size() && end > begin + kPieceBytes && is_continuation(text[end])) {
        --end;
    }
    return end;
}

size_t piece_begin(std::string_view text, size_t end, const WholeWords & whole_words) {
    if (end <= kPieceBytes) {
        return 0;
    }
    const size_t most = end - std::min(end, kMostPieceBytes);
    for (size_t at = end - kPieceBytes; at > most; --at) {
        if (may_cut(text, at, whole_words)) {
            return at;
        }
    }
    size_t begin = most;
    while (begin > 0 && begin < end - kPieceBytes && is_continuation(text[begin])) {
        ++begin;
    }
    return begin;
}

}  // namespace jina_reranker
