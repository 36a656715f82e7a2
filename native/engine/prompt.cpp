#include "prompt.h"

#include "error.h"

#include <algorithm>
#include <string_view>

namespace jina_reranker {

namespace {

constexpr std::string_view kDocumentHeading = "**Document**:\n";
constexpr std::string_view kLineBreak       = "\n";
constexpr std::string_view kQueryHeading    = "**Query**:\n";

bool is_inside_character(std::string_view text, size_t at) {
    return at > 0 && at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0U) == 0x80U;
}

}  // namespace

Prompter::Prompter(const llama_vocab *       vocab,
                   llama_token               score_token,
                   int32_t                   context_size,
                   size_t                    known_bytes,
                   std::optional<ImageMarks> marks) :
    tokenizer_(vocab, known_bytes),
    query_heading_(tokenizer_.tokenize(kQueryHeading, SIZE_MAX, {}).tokens),
    score_token_(score_token),
    limit_(static_cast<size_t>(context_size) - 1),
    marks_(marks.value_or(ImageMarks())) {
    const std::string between = std::string(kLineBreak) + kQueryHeading.front();
    for (const std::string & word : tokenizer_.whole_words()) {
        if (word.find(between) != std::string::npos) {
            throw Error(ErrorCode::model_invalid,
                        "a word of the model's vocabulary spans a line break and an asterisk, "
                        "which separate document and query");
        }
    }
}

void Prompter::append(Tokens & tokens, const RequestImage & image) const {
    tokens.push_back(marks_.begin);
    tokens.insert(tokens.end(), static_cast<size_t>(image.image->n_tokens()), image.token);
    tokens.push_back(marks_.end);
}

Prompter::Part Prompter::read_part(const std::string & text, const Wanted & wanted) const {
    TextStart  read  = tokenizer_.tokenize(text, limit_, wanted);
    const bool whole = read.end() == text.size();
    return { std::move(read.tokens), whole, 0 };
}

Prompter::Part Prompter::read_instruction(const std::string & instruction, const Wanted & wanted) const {
    return instruction.empty() ? Part() : read_part(std::string(instruction).append(kLineBreak), wanted);
}

Prompter::Part Prompter::read_query(const Content & query, const Wanted & wanted) const {
    if (const RequestImage * image = image_of(query)) {
        Part part{ query_heading_, true, query_heading_.size() };
        append(part.tokens, *image);
        return part;
    }
    const std::string & text = std::get<std::string>(query);
    Part                part = read_part(std::string(kQueryHeading).append(text), wanted);
    const auto [other, same] =
        std::mismatch(part.tokens.begin(), part.tokens.end(), query_heading_.begin(), query_heading_.end());
    part.n_before = static_cast<size_t>(same - query_heading_.begin());
    return part;
}

Tokens Prompter::tokens_of(
    std::string_view document, size_t begin, size_t end, LineBreak line_break, const Wanted & wanted) const {
    std::string text(begin == 0 ? kDocumentHeading : std::string_view());
    text.append(document.substr(begin, end - begin));
    if (line_break == LineBreak::with && end == document.size()) {
        text.append(kLineBreak);
    }
    return tokenizer_.tokenize(text, SIZE_MAX, wanted).tokens;
}

TextStart Prompter::read_document(std::string_view document, size_t enough, const Wanted & wanted) const {
    TextStart start;
    do {
        const size_t begin = start.end();
        const size_t end   = piece_end(document, begin, tokenizer_.whole_words());
        start.add(tokens_of(document, begin, end, LineBreak::with, wanted), end);
    } while (start.end() < document.size() && start.tokens.size() <= enough);
    return start;
}

Tokens Prompter::tokens_of_image(const RequestImage & image, const Wanted & wanted) const {
    Tokens tokens = tokenizer_.tokenize(kDocumentHeading, SIZE_MAX, wanted).tokens;
    append(tokens, image);
    const Tokens line_break = tokenizer_.tokenize(kLineBreak, SIZE_MAX, wanted).tokens;
    tokens.insert(tokens.end(), line_break.begin(), line_break.end());
    return tokens;
}

void Prompter::check_query(const Content & query, const Wanted & wanted, const std::string & instruction) const {
    const Part   told  = read_instruction(instruction, wanted);
    const Part   asked = read_query(query, wanted);
    const size_t n_tokens =
        told.tokens.size() + read_document("", SIZE_MAX, wanted).tokens.size() + asked.tokens.size();
    const bool whole = told.whole && asked.whole;
    if (n_tokens >= limit_) {
        throw Error(ErrorCode::query_too_long,
                    std::string(instruction.empty() ? "query: takes " : "instruction and query: take ") +
                        (whole ? "" : "more than ") + std::to_string(whole ? n_tokens + 1 : limit_ + 1) + " of the " +
                        std::to_string(limit_ + 1) + " tokens a pair may have, which leaves no room for a document");
    }
}

size_t Prompter::n_heading(const Tokens & head) const {
    size_t n_tokens = 0;
    for (size_t n_seen = 0; n_seen < kDocumentHeading.size() && n_tokens < head.size(); ++n_tokens) {
        n_seen += tokenizer_.n_bytes(head[n_tokens]);
    }
    return n_tokens;
}

std::string_view Prompter::kept_start(std::string_view document, const Tokens & head, size_t n_keep) const {
    size_t n_kept_bytes = 0;
    for (size_t i = 0; i < std::min(n_keep, head.size()); ++i) {
        n_kept_bytes += tokenizer_.n_bytes(head[i]);
    }
    size_t end = n_kept_bytes - std::min(n_kept_bytes, kDocumentHeading.size());
    end        = std::min(end, document.size());
    while (is_inside_character(document, end)) {
        --end;
    }
    return document.substr(0, end);
}

std::string_view Prompter::kept_end(std::string_view document, size_t n_tokens, const Wanted & wanted) const {
    size_t n_left       = n_tokens;
    size_t n_kept_bytes = 0;
    for (size_t end = document.size(); end > 0 && n_left > 0;) {
        const size_t begin  = piece_begin(document, end, tokenizer_.whole_words());
        const Tokens tokens = tokens_of(document, begin, end, LineBreak::without, wanted);
        const size_t n_kept = std::min(n_left, tokens.size());
        for (size_t k = tokens.size() - n_kept; k < tokens.size(); ++k) {
            n_kept_bytes += tokenizer_.n_bytes(tokens[k]);
        }
        n_left -= n_kept;
        end = begin;
    }
    size_t begin = document.size() - std::min(n_kept_bytes, document.size());
    while (is_inside_character(document, begin)) {
        ++begin;
    }
    return document.substr(begin);
}

Prompt Prompter::build(const Content &     query,
                       const Content &     document,
                       Cut                 cut,
                       const Wanted &      wanted,
                       const std::string & instruction) const {
    const Part           told       = read_instruction(instruction, wanted);
    const Part           asked      = read_query(query, wanted);
    const size_t         n_others   = told.tokens.size() + asked.tokens.size();
    const auto           max_tokens = static_cast<size_t>(cut.max_tokens);
    const RequestImage * image      = image_of(document);
    Prompt               prompt;
    if (image != nullptr) {
        prompt.tokens     = tokens_of_image(*image, wanted);
        const auto n_rows = static_cast<size_t>(image->image->n_tokens());
        if (prompt.tokens.size() + n_others > limit_ || (max_tokens > 0 && n_rows > max_tokens)) {
            check_query(query, wanted, instruction);
            const size_t n_room = limit_ - std::min(limit_, prompt.tokens.size() - n_rows + n_others);
            throw Error(ErrorCode::document_too_long,
                        "an image of " + std::to_string(n_rows) +
                            " tokens, which is never cut, and there is room for " +
                            std::to_string(max_tokens > 0 ? std::min(max_tokens, n_room) : n_room));
        }
    } else {
        const std::string & text = std::get<std::string>(document);
        TextStart           read = read_document(text, limit_, wanted);
        // A token covers at least one byte, so a document of fewer bytes is never too long for max_tokens.
        if (read.tokens.size() + n_others <= limit_ && (max_tokens == 0 || text.size() <= max_tokens)) {
            prompt.tokens = std::move(read.tokens);
        } else {
            check_query(query, wanted, instruction);
            prompt = cut_document(text, std::move(read), n_others, cut, wanted);
        }
    }
    prompt.tokens.insert(prompt.tokens.begin(), told.tokens.begin(), told.tokens.end());
    prompt.n_prefix = static_cast<int32_t>(prompt.tokens.size() + asked.n_before);
    prompt.tokens.insert(prompt.tokens.end(), asked.tokens.begin(), asked.tokens.end());
    prompt.tokens.push_back(score_token_);
    return prompt;
}

// The part with the document, which may be too long. read: what of it has been tokenized. n_others: tokens of the parts before
// and behind.
Prompt Prompter::cut_document(
    std::string_view document, TextStart read, size_t n_others, Cut cut, const Wanted & wanted) const {
    const auto max_tokens = static_cast<size_t>(cut.max_tokens);
    if (read.end() == document.size()) {
        read.drop_last();
    }
    // What of heading and document has been tokenized, and the last piece, which may be the next or one far behind.
    const size_t n_read     = read.tokens.size();
    const bool   adjacent   = piece_end(document, read.end(), tokenizer_.whole_words()) == document.size();
    const size_t last_begin = adjacent ? read.end() : piece_begin(document, document.size(), tokenizer_.whole_words());
    const Tokens last       = tokens_of(document, last_begin, document.size(), LineBreak::without, wanted);
    const Tokens joined     = tokens_of(document, last_begin, document.size(), LineBreak::with, wanted);
    Tokens       head       = std::move(read.tokens);
    if (adjacent) {
        head.insert(head.end(), last.begin(), last.end());
    }
    // Tokens that come after those of heading and document: the line break may merge with the document's end.
    const size_t n_behind = joined.size() + n_others - std::min(joined.size() + n_others, last.size());
    size_t       n_keep   = limit_ - std::min(limit_, n_behind);
    if (max_tokens > 0) {
        n_keep = std::min(n_keep, n_heading(head) + max_tokens);
    }
    const bool fits = adjacent && head.size() <= n_keep;
    if (!fits && cut.at == CutAt::never) {
        throw Error(ErrorCode::document_too_long, "takes more than the " + std::to_string(n_keep) +
                                                      " tokens there is room for and nothing may be cut");
    }
    Prompt prompt;
    if (fits) {
        prompt.tokens.assign(head.begin(), head.begin() + static_cast<std::ptrdiff_t>(n_read));
        prompt.tokens.insert(prompt.tokens.end(), joined.begin(), joined.end());
        return prompt;
    }
    // Merges at the cut can shift the count by a few, hence the loop.
    for (size_t n_over = 0;; n_keep -= std::min(n_keep, n_over)) {
        if (cut.at == CutAt::start) {
            const size_t n_tokens = n_keep - std::min(n_keep, n_heading(head));
            prompt.tokens         = read_document(kept_end(document, n_tokens, wanted), SIZE_MAX, wanted).tokens;
        } else {
            // All but the last of its pieces are the whole document's, whose tokens are there.
            const std::string_view kept   = kept_start(document, head, n_keep);
            size_t                 n_same = 0;
            size_t                 begin  = 0;
            for (size_t end = 0; (end = piece_end(kept, begin, tokenizer_.whole_words())) < kept.size(); begin = end) {
                ++n_same;
            }
            const Tokens rest = tokens_of(kept, begin, kept.size(), LineBreak::with, wanted);
            prompt.tokens.assign(head.begin(),
                                 head.begin() + static_cast<std::ptrdiff_t>(n_same == 0 ? 0 : read.counts[n_same - 1]));
            prompt.tokens.insert(prompt.tokens.end(), rest.begin(), rest.end());
        }
        if (prompt.tokens.size() + n_others <= limit_) {
            break;
        }
        n_over = prompt.tokens.size() + n_others - limit_;
    }
    size_t n_all = n_read + joined.size() + n_others;
    if (!adjacent) {
        const double n_per_byte = static_cast<double>(n_read) / static_cast<double>(read.end());
        n_all                   = static_cast<size_t>(n_per_byte * static_cast<double>(document.size())) + n_behind;
    }
    prompt.n_dropped =
        static_cast<uint32_t>(std::max<size_t>(1, n_all - std::min(n_all, prompt.tokens.size() + n_others)));
    return prompt;
}

}  // namespace jina_reranker
