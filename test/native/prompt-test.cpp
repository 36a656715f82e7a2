// The prompt, its truncation, and the tokenizer against llama.cpp's own expectations, with Qwen2's whole vocabulary.

#include "backend.h"
#include "check.h"
#include "error.h"
#include "llama-cpp.h"
#include "prompt.h"

#include <fstream>
#include <iterator>

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
        CHECK(prompter(64).tokenize(input.substr(begin, end - begin)) == expected);
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
    const std::vector<llama_token> joint  = prompter(64).tokenize(".\n");
    CHECK_EQUAL(joint.size(), 1U);
    CHECK(std::find(prompt.tokens.begin(), prompt.tokens.end(), joint[0]) != prompt.tokens.end());
}

void takes_special_token_text_as_text() {
    for (const char * special : { "<|endoftext|>", "<|im_start|>", "<|im_end|>" }) {
        CHECK(prompter(64).tokenize(special).size() > 1);
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

}  // namespace

int main() {
    return check::run({
        { "tokenizes as llama.cpp expects of Qwen2", tokenizes_as_llama_cpp_expects_of_qwen2 },
        { "is the documented text and the score token", is_the_documented_text_and_the_score_token },
        { "is tokenized whole, so that joints merge", is_tokenized_whole_so_that_joints_merge },
        { "takes special-token text as text", takes_special_token_text_as_text },
        { "cuts only the end of the document", cuts_only_the_end_of_the_document },
        { "never cuts a character in half", never_cuts_a_character_in_half },
        { "refuses a query that leaves no room", refuses_a_query_that_leaves_no_room },
        { "survives awkward texts", survives_awkward_texts },
    });
}
