// The prompt, its truncation, and the tokenizer against llama.cpp's own expectations, with Qwen2's whole vocabulary.

#include "backend.h"
#include "check.h"
#include "error.h"
#include "llama-cpp.h"
#include "prompt.h"
#include "random-text.h"
#include "text-pieces.h"

#include <fstream>
#include <iterator>
#include <random>
#include <sstream>

using namespace jina_reranker;

namespace {

constexpr llama_token kScoreToken = 100;

std::string read_file(const std::string & path) {
    std::ifstream file(path, std::ios::binary);
    return { std::istreambuf_iterator<char>(file), {} };
}

const llama_model * vocabulary() {
    static const llama_model_ptr model = [] {
        load_backends(JINA_RERANKER_LIBRARIES);
        llama_model_params params = llama_model_default_params();
        params.vocab_only         = true;
        return llama_model_ptr(llama_model_load_from_file(JINA_RERANKER_VOCABULARY, params));
    }();
    return model.get();
}

Prompter prompter(int32_t context_size) {
    return { llama_model_get_vocab(vocabulary()), kScoreToken, context_size };
}

std::vector<llama_token> tokenize(const std::string & text) {
    static const Tokenizer tokenizer(llama_model_get_vocab(vocabulary()), 0);
    return tokenizer.tokenize(text, SIZE_MAX, {}).tokens;
}

std::vector<size_t> piece_ends(const std::string & text) {
    std::vector<size_t> ends;
    do {
        ends.push_back(piece_end(text, ends.empty() ? 0 : ends.back(), {}));
    } while (ends.back() < text.size());
    return ends;
}

std::string text_of(const std::vector<llama_token> & tokens) {
    std::string text;
    for (const llama_token token : tokens) {
        std::string   piece(256, '\0');
        const int32_t n = llama_token_to_piece(llama_model_get_vocab(vocabulary()), token, piece.data(),
                                               static_cast<int32_t>(piece.size()), 0, true);
        text += piece.substr(0, static_cast<size_t>(n));
    }
    return text;
}

std::string repeat(const std::string & text, int n) {
    std::string result;
    for (int i = 0; i < n; ++i) {
        result += text;
    }
    return result;
}

void tokenizes_as_llama_cpp_expects_of_qwen2() {
    const std::string  input    = read_file(JINA_RERANKER_VOCABULARY ".inp");
    const std::string  output   = read_file(JINA_RERANKER_VOCABULARY ".out");
    const std::string  splitter = "\n__ggml_vocab_test__\n";
    std::istringstream lines(output);
    std::string        line;
    int                n_cases = 0;
    for (size_t begin = 0; begin < input.size();) {
        size_t end = input.find(splitter, begin);
        end        = end == std::string::npos ? input.size() : end;
        CHECK(static_cast<bool>(std::getline(lines, line)));
        std::istringstream       numbers(line);
        std::vector<llama_token> expected{ std::istream_iterator<llama_token>(numbers), {} };
        CHECK(tokenize(input.substr(begin, end - begin)) == expected);
        begin = end + splitter.size();
        ++n_cases;
    }
    CHECK(n_cases > 40);
}

void is_the_documented_text_and_the_score_token() {
    Prompt prompt = prompter(64).build("slm markdown", "A document.");
    CHECK_EQUAL(prompt.tokens.back(), kScoreToken);
    prompt.tokens.pop_back();
    CHECK_EQUAL(text_of(prompt.tokens), "**Document**:\nA document.\n**Query**:\nslm markdown");
    CHECK_EQUAL(prompt.n_dropped, 0U);
}

void is_tokenized_whole_so_that_joints_merge() {
    const Prompt                   prompt = prompter(64).build("q", "end.");
    const std::vector<llama_token> joint  = tokenize(".\n");
    CHECK_EQUAL(joint.size(), 1U);
    CHECK(std::find(prompt.tokens.begin(), prompt.tokens.end(), joint[0]) != prompt.tokens.end());
}

void knows_how_much_of_it_holds_nothing_of_the_query() {
    const std::string document = "A document about rivers.";
    for (const char * query : { "slm markdown", "\n\nwhat?", "ø", "a" }) {
        const Prompt      prompt = prompter(64).build(query, document);
        const std::string prefix = text_of({ prompt.tokens.begin(), prompt.tokens.begin() + prompt.n_prefix });
        const std::string all    = "**Document**:\n" + document + "\n**Query**:\n";
        CHECK_EQUAL(all.substr(0, prefix.size()), prefix);
        CHECK(prefix.size() + 8 > all.size());
    }
}

void takes_special_token_text_as_text() {
    for (const char * special : { "<|endoftext|>", "<|im_start|>", "<|im_end|>" }) {
        CHECK(tokenize(special).size() > 1);
    }
}

void cuts_only_the_end_of_the_document() {
    const std::string document = repeat("The quick brown fox jumps over the lazy dog. ", 40);
    for (const int32_t context_size : { 32, 33, 50, 64, 100, 200 }) {
        Prompt prompt = prompter(context_size).build("what jumps?", document);
        CHECK(prompt.tokens.size() <= static_cast<size_t>(context_size));
        CHECK(prompt.tokens.size() >= static_cast<size_t>(context_size) - 3);
        CHECK(prompt.n_dropped > 0);
        CHECK_EQUAL(prompt.tokens.size() + prompt.n_dropped,
                    prompter(8192).build("what jumps?", document).tokens.size());
        prompt.tokens.pop_back();
        const std::string text  = text_of(prompt.tokens);
        const std::string begin = "**Document**:\n";
        const std::string end   = "\n**Query**:\nwhat jumps?";
        CHECK(text.size() > begin.size() + end.size());
        CHECK_EQUAL(text.substr(0, begin.size()), begin);
        CHECK_EQUAL(text.substr(text.size() - end.size()), end);
        const std::string kept = text.substr(begin.size(), text.size() - begin.size() - end.size());
        CHECK_EQUAL(document.substr(0, kept.size()), kept);
        // A cut document reads exactly like the shorter one it became.
        const Prompt again = prompter(8192).build("what jumps?", kept);
        CHECK(std::equal(prompt.tokens.begin(), prompt.tokens.end(), again.tokens.begin()));
    }
}

void never_cuts_a_character_in_half() {
    for (const char * character : { "é", "漢", "😀", "ไ" }) {
        const std::string document = repeat(character, 300);
        for (int32_t context_size = 20; context_size < 60; ++context_size) {
            Prompt prompt = prompter(context_size).build("q", document);
            CHECK(prompt.tokens.size() <= static_cast<size_t>(context_size));
            prompt.tokens.pop_back();
            const std::string text = text_of(prompt.tokens);
            const std::string body = text.substr(14, text.find("\n**Query**") - 14);
            CHECK_EQUAL(body.size() % std::string(character).size(), 0U);
        }
    }
}

void refuses_a_query_that_leaves_no_room() {
    const std::string query = repeat("word ", 100);
    CHECK_ERROR(prompter(64).check_query(query), ErrorCode::query_too_long);
    CHECK_ERROR(prompter(64).build(query, "a long enough document"), ErrorCode::query_too_long);
    prompter(200).check_query(query);
    try {
        prompter(64).check_query(query);
    } catch (const Error & error) {
        const std::string message = error.what();
        CHECK(message.find("64") != std::string::npos && message.find("11") != std::string::npos);
    }
}

void begins_with_the_instruction() {
    const std::string instruction = "Rank by relevance.";
    const Prompt      plain       = prompter(64).build("a query", "A document.");
    Prompt            prompt      = prompter(64).build("a query", "A document.", {}, {}, instruction);
    const auto        line        = tokenize(instruction + "\n");
    CHECK_EQUAL(prompt.tokens.size(), plain.tokens.size() + line.size());
    CHECK_EQUAL(prompt.n_prefix, plain.n_prefix + static_cast<int32_t>(line.size()));
    prompt.tokens.pop_back();
    CHECK_EQUAL(text_of(prompt.tokens), instruction + "\n**Document**:\nA document.\n**Query**:\na query");
    CHECK(prompter(64).build("a query", "A document.", {}, {}, "").tokens == plain.tokens);
}

void leaves_less_room_for_a_document_beside_an_instruction() {
    const std::string document    = repeat("The quick brown fox jumps over the lazy dog. ", 40);
    const std::string instruction = "Rank by relevance.";
    for (const CutAt at : { CutAt::end, CutAt::start, CutAt::never }) {
        Cut cut;
        cut.at = at;
        if (at == CutAt::never) {
            CHECK_ERROR(prompter(64).build("q", document, cut, {}, instruction), ErrorCode::document_too_long);
            continue;
        }
        const Prompt prompt = prompter(64).build("q", document, cut, {}, instruction);
        CHECK(prompt.tokens.size() <= 64 && prompt.tokens.size() >= 61);
        CHECK_EQUAL(prompt.tokens.size() + prompt.n_dropped,
                    prompter(8192).build("q", document, {}, {}, instruction).tokens.size());
        CHECK_EQUAL(text_of(prompt.tokens).substr(0, 31), instruction + "\n**Document**");
        cut.max_tokens         = 5;  // of the document alone
        const Prompt short_one = prompter(64).build("q", document, cut);
        CHECK_EQUAL(prompter(64).build("q", document, cut, {}, instruction).tokens.size(),
                    short_one.tokens.size() + tokenize(instruction + "\n").size());
    }
}

void refuses_an_instruction_that_leaves_no_room() {
    for (const int n_words : { 60, 1'000'000 }) {  // the second is not read to its end
        const std::string instruction = repeat("word ", n_words);
        CHECK_ERROR(prompter(64).build("q", "a document", {}, {}, instruction), ErrorCode::query_too_long);
        try {
            prompter(64).check_query("q", {}, instruction);
            CHECK(false);
        } catch (const Error & error) {
            CHECK_EQUAL(std::string(error.what()).find("instruction and query: take "), 0U);
        }
    }
    prompter(128).check_query("q", {}, repeat("word ", 60));
}

void survives_awkward_texts() {
    const std::string nul("a\0b", 3);
    for (const std::string & text :
         { std::string(), std::string(" \n\t "), nul, std::string("\xEF\xBF\xBD"), std::string("שלום"),
           std::string("👩‍👩‍👧‍👦"), std::string(1 << 20, 'a'), std::string(1 << 20, '\n') }) {
        const Prompt prompt = prompter(128).build("query", text);
        CHECK(prompt.tokens.size() <= 128);
        CHECK_EQUAL(prompt.tokens.back(), kScoreToken);
    }
}

// A text's tokens from one call of llama.cpp.
std::vector<llama_token> tokens_in_one_call(const std::string & text) {
    std::vector<llama_token> tokens(text.size() + 1);
    const int32_t            n =
        llama_tokenize(llama_model_get_vocab(vocabulary()), text.data(), static_cast<int32_t>(text.size()),
                       tokens.data(), static_cast<int32_t>(tokens.size()), false, false);
    tokens.resize(static_cast<size_t>(n));
    return tokens;
}

void tokenizes_in_pieces_as_in_one_call() {
    std::mt19937 random(1);
    size_t       n_pieces = 0;
    for (uint32_t i = 0; i < 80; ++i) {
        const std::string text = random_text(random, i % 8, 3 * kPieceBytes + random() % (4 * kPieceBytes));
        CHECK(tokenize(text) == tokens_in_one_call(text));
        const auto ends = piece_ends(text);
        n_pieces += ends.size();
        for (size_t k = 0; k < ends.size(); ++k) {
            CHECK(ends[k] - (k > 0 ? ends[k - 1] : 0) < 2 * kPieceBytes);  // a split is found soon
        }
    }
    CHECK(n_pieces > size_t{ 80 } * 3);
}

// Compares what the cut leaves, and how many tokens it drops, with the tokens of the whole document from one call.
void cuts_a_long_document_where_the_whole_would_be_cut() {
    std::mt19937      random(2);
    const std::string query   = "what jumps?";
    const std::string heading = "**Document**:\n";
    const std::string tail    = "\n**Query**:\n" + query;
    for (uint32_t i = 0; i < 64; ++i) {
        const std::string document     = random_text(random, i % 8, 2 * kPieceBytes + random() % (12 * kPieceBytes));
        const auto        context_size = static_cast<int32_t>(64 + random() % 4000);
        const auto        head         = tokens_in_one_call(heading + document);
        const auto        all          = tokens_in_one_call(std::string(heading).append(document).append(tail));
        const size_t      limit        = static_cast<size_t>(context_size) - 1;
        for (const CutAt at : { CutAt::end, CutAt::start, CutAt::never }) {
            Cut cut;
            cut.at = at;
            if (all.size() <= limit) {
                Prompt prompt = prompter(context_size).build(query, document, cut);
                prompt.tokens.pop_back();
                CHECK(prompt.tokens == all);
                CHECK_EQUAL(prompt.n_dropped, 0U);
                continue;
            }
            if (at == CutAt::never) {
                CHECK_ERROR(prompter(context_size).build(query, document, cut), ErrorCode::document_too_long);
                continue;
            }
            Prompt prompt = prompter(context_size).build(query, document, cut);
            prompt.tokens.pop_back();
            CHECK(prompt.tokens.size() <= limit);
            CHECK(prompt.tokens.size() + 16 > limit);
            CHECK(prompt.n_dropped >= 1);
            const std::string text = text_of(prompt.tokens);
            CHECK_EQUAL(text.substr(0, heading.size()), heading);
            CHECK_EQUAL(text.substr(text.size() - tail.size()), tail);
            const std::string kept = text.substr(heading.size(), text.size() - heading.size() - tail.size());
            CHECK_EQUAL(at == CutAt::end ? document.substr(0, kept.size()) :
                                           document.substr(document.size() - kept.size()),
                        kept);
            CHECK(prompt.tokens == tokens_in_one_call(text));
            // The estimate of what is dropped is of the right order for text that is alike throughout.
            const double n_dropped = static_cast<double>(all.size() - prompt.tokens.size());
            CHECK(prompt.n_dropped < 4 * n_dropped + 500 && n_dropped < 4.0 * prompt.n_dropped + 500);
        }
    }
}

void cuts_to_as_many_tokens_of_a_document_as_are_allowed() {
    std::mt19937      random(3);
    const std::string heading = "**Document**:\n";
    for (uint32_t i = 0; i < 24; ++i) {
        const std::string document = random_text(random, i % 8, random() % (6 * kPieceBytes));
        Cut               cut;
        cut.max_tokens         = static_cast<int32_t>(1 + random() % 3000);
        cut.at                 = i % 2 == 0 ? CutAt::end : CutAt::start;
        const size_t n_heading = tokens_in_one_call(heading).size();
        const size_t n_tokens  = tokens_in_one_call(heading + document).size() - n_heading;
        const Prompt prompt    = prompter(8192).build("q", document, cut);
        const auto   text      = text_of(prompt.tokens);
        const auto   kept      = text.substr(heading.size(), text.rfind("\n**Query**") - heading.size());
        if (n_tokens + 1 < static_cast<size_t>(cut.max_tokens)) {
            CHECK_EQUAL(kept, document);
            CHECK_EQUAL(prompt.n_dropped, 0U);
        } else if (n_tokens > static_cast<size_t>(cut.max_tokens) + 1) {
            const size_t n_kept = tokens_in_one_call(kept).size();
            CHECK(n_kept <= static_cast<size_t>(cut.max_tokens) + 2);
            CHECK(n_kept + 16 > static_cast<size_t>(cut.max_tokens));
            CHECK(prompt.n_dropped >= 1);
        }
    }
}

// 31 MB of text, and of what has no place to cut; tokenized whole they took half a minute and up to 3 GB. The callback is asked
// before each piece, so its calls measure the work.
void reads_no_more_of_a_giant_document_than_it_can_keep() {
    const size_t n_bytes = size_t{ 31 } << 20U;
    for (const std::string & part :
         { std::string("The quick brown fox jumps over the lazy dog. "), std::string("a"), std::string(" "),
           std::string("\n"), std::string("7"), std::string("-"), std::string("漢"), std::string("😀") }) {
        const std::string document = repeat(part, static_cast<int>(n_bytes / part.size()));
        for (const CutAt at : { CutAt::end, CutAt::start, CutAt::never }) {
            Cut cut;
            cut.at             = at;
            size_t     n_asked = 0;
            const auto count   = [&] {
                ++n_asked;
                return true;
            };
            if (at == CutAt::never) {
                CHECK_ERROR(prompter(512).build("q", document, cut, count), ErrorCode::document_too_long);
            } else {
                const Prompt prompt = prompter(512).build("q", document, cut, count);
                CHECK(prompt.tokens.size() <= 512 && prompt.tokens.size() > 500);
                CHECK(prompt.n_dropped > n_bytes / 200);
            }
            CHECK(n_asked < 40);
        }
        CHECK_ERROR(prompter(512).build(document, "document"), ErrorCode::query_too_long);
    }
}

void stops_between_pieces_when_it_is_not_wanted() {
    const std::string document = repeat("The quick brown fox jumps over the lazy dog. ", 2000);
    int               n_asked  = 0;
    CHECK_ERROR(prompter(8192).build("q", document, {}, [&] { return ++n_asked < 3; }), ErrorCode::cancelled);
    CHECK_EQUAL(n_asked, 3);
}

void cuts_nothing_within_a_word_of_the_vocabulary() {
    const std::string text = repeat("x", static_cast<int>(kPieceBytes) - 3) + "<tool_call>" + repeat(" y", 5000);
    CHECK(text.substr(piece_end(text, 0, {})).substr(0, 5) != " y y ");  // a cut after a letter of it
    CHECK_EQUAL(text.substr(piece_end(text, 0, { "<tool_call>" }), 4), " y y");
}

}  // namespace

int main() {
    return check::run({
        { "tokenizes as llama.cpp expects of Qwen2", tokenizes_as_llama_cpp_expects_of_qwen2 },
        { "is the documented text and the score token", is_the_documented_text_and_the_score_token },
        { "is tokenized whole, so that joints merge", is_tokenized_whole_so_that_joints_merge },
        { "knows how much of it holds nothing of the query", knows_how_much_of_it_holds_nothing_of_the_query },
        { "takes special-token text as text", takes_special_token_text_as_text },
        { "cuts only the end of the document", cuts_only_the_end_of_the_document },
        { "never cuts a character in half", never_cuts_a_character_in_half },
        { "refuses a query that leaves no room", refuses_a_query_that_leaves_no_room },
        { "tokenizes in pieces as in one call", tokenizes_in_pieces_as_in_one_call },
        { "cuts a long document where the whole would be cut", cuts_a_long_document_where_the_whole_would_be_cut },
        { "cuts to as many tokens of a document as are allowed", cuts_to_as_many_tokens_of_a_document_as_are_allowed },
        { "reads no more of a giant document than it can keep", reads_no_more_of_a_giant_document_than_it_can_keep },
        { "stops between pieces when it is not wanted", stops_between_pieces_when_it_is_not_wanted },
        { "cuts nothing within a word of the vocabulary", cuts_nothing_within_a_word_of_the_vocabulary },
        { "begins with the instruction", begins_with_the_instruction },
        { "leaves less room for a document beside an instruction",
          leaves_less_room_for_a_document_beside_an_instruction },
        { "refuses an instruction that leaves no room", refuses_an_instruction_that_leaves_no_room },
        { "survives awkward texts", survives_awkward_texts },
    });
}
