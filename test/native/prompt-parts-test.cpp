// A prompt is tokenized in parts, some of which are known; its tokens must be those of one call of llama.cpp for the whole text.
// With random texts for the tokenizer of a model: Qwen2's own, or test/native/prompt-parts.test.ts gives one.
//
//     prompt-parts-test [LIBRARIES MODEL.gguf]

#include "backend.h"
#include "check.h"
#include "error.h"
#include "gguf-model.h"
#include "llama-cpp.h"
#include "prompt.h"
#include "random-text.h"

#include <atomic>
#include <thread>

using namespace jina_reranker;

namespace {

constexpr llama_token kScoreToken  = 100;
constexpr int32_t     kContextSize = 100'000;
constexpr size_t      kKnownBytes  = size_t{ 1 } << 20U;

const char * model_path = JINA_RERANKER_VOCABULARY;

llama_model_ptr load_vocabulary(const char * path) {
    llama_model_params params = llama_model_default_params();
    params.vocab_only         = true;
    return llama_model_ptr(llama_model_load_from_file(path, params));
}

const llama_vocab * vocabulary() {
    static const llama_model_ptr model = load_vocabulary(model_path);
    return llama_model_get_vocab(model.get());
}

Tokens tokens_in_one_call(const std::string & text, const llama_vocab * vocab = vocabulary()) {
    Tokens        tokens(text.size() + 1);
    const int32_t n = llama_tokenize(vocab, text.data(), static_cast<int32_t>(text.size()), tokens.data(),
                                     static_cast<int32_t>(tokens.size()), false, false);
    tokens.resize(static_cast<size_t>(n));
    return tokens;
}

// before: the instruction and its line break.
Tokens expected(const std::string & query,
                const std::string & document,
                const llama_vocab * vocab  = vocabulary(),
                const std::string & before = {}) {
    Tokens tokens = tokens_in_one_call(before + "**Document**:\n" + document + "\n**Query**:\n" + query, vocab);
    tokens.push_back(kScoreToken);
    return tokens;
}

// What may meet the line break and asterisks between document and query, or the headings.
std::string random_end(std::mt19937 & random) {
    static const std::vector<std::string> ends = {
        "",
        ".",
        "...",
        "?!",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        " ",
        "  ",
        "\t",
        "\u00A0",
        "\u3000",
        "a",
        "I'",
        "'",
        "'s",
        "1",
        "*",
        "**",
        ":",
        "\xF3\xA0\x80\x81",
        "\u2028",
        "\u0085",
        "\u200B",
        "é",
        "e\u0301",
        "字",
        "。",
        "😀",
        "👩‍👩‍👧",
        "<|im_end|>",
        "<tool_call>",
        "<|box_end|>",
        "\x01",
        "\u0378",
    };
    std::string end;
    for (uint32_t n = random() % 4; n > 0; --n) {
        end += ends[random() % ends.size()];
    }
    return end;
}

std::string random_text_with_ends(std::mt19937 & random) {
    const size_t n_bytes = random() % 32 == 0 ? random() % (3 * kPieceBytes) : random() % 80;
    const auto   kind    = static_cast<uint32_t>(random() % 8);
    return random_end(random) + random_text(random, kind, n_bytes) + random_end(random);
}

// Each document and each query come new, and again beside another.
void has_the_tokens_of_the_whole_text() {
    constexpr int  kRounds = 1500;
    std::mt19937   random(1);
    const Prompter plain(vocabulary(), kScoreToken, kContextSize);
    const Prompter knowing(vocabulary(), kScoreToken, kContextSize, kKnownBytes);
    std::string    last_document;
    std::string    last_query;
    int            n_wrong = 0;
    for (int i = 0; i < kRounds; ++i) {
        const std::string document = random_text_with_ends(random);
        const std::string query    = random_text_with_ends(random);
        for (const auto & [q, d] : { std::pair(query, document), { query, last_document }, { last_query, document } }) {
            const Tokens tokens = expected(q, d);
            n_wrong += plain.build(q, d).tokens == tokens ? 0 : 1;
            n_wrong += knowing.build(q, d).tokens == tokens ? 0 : 1;
        }
        last_document = document;
        last_query    = query;
    }
    CHECK_EQUAL(n_wrong, 0);
    CHECK(knowing.tokenizer().n_made() * 2 < plain.tokenizer().n_made());
}

void has_them_behind_an_instruction() {
    std::mt19937   random(4);
    const Prompter prompter(vocabulary(), kScoreToken, kContextSize, kKnownBytes);
    int            n_wrong = 0;
    for (int i = 0; i < 500; ++i) {
        const std::string instruction = random_text_with_ends(random);
        const std::string document    = random_text_with_ends(random);
        const Tokens      tokens      = prompter.build("the query", document, {}, {}, instruction).tokens;
        n_wrong +=
            tokens == expected("the query", document, vocabulary(), instruction.empty() ? "" : instruction + "\n") ? 0 :
                                                                                                                     1;
    }
    CHECK_EQUAL(n_wrong, 0);
}

void has_them_for_every_character_at_the_end_of_a_document() {
    const Prompter prompter(vocabulary(), kScoreToken, kContextSize);
    int            n_wrong = 0;
    for (uint32_t code = 1; code < 0x3100; ++code) {
        std::string character;
        if (code < 0x80) {
            character = { static_cast<char>(code) };
        } else if (code < 0x800) {
            character = { static_cast<char>(0xC0U | (code >> 6U)), static_cast<char>(0x80U | (code & 0x3FU)) };
        } else {
            character = { static_cast<char>(0xE0U | (code >> 12U)), static_cast<char>(0x80U | ((code >> 6U) & 0x3FU)),
                          static_cast<char>(0x80U | (code & 0x3FU)) };
        }
        const std::string document = (code % 2 == 0 ? "." : "a ") + character;
        n_wrong += prompter.build(character, document).tokens == expected(character, document) ? 0 : 1;
    }
    CHECK_EQUAL(n_wrong, 0);
}

void makes_the_tokens_of_a_known_document_once() {
    std::mt19937      random(2);
    const Prompter    prompter(vocabulary(), kScoreToken, kContextSize, kKnownBytes);
    const std::string document = random_text(random, 0, 20 * kPieceBytes);
    const auto        n_made   = [&](const std::string & query) {
        const uint64_t before = prompter.tokenizer().n_made();
        prompter.build(query, document);
        return prompter.tokenizer().n_made() - before;
    };
    CHECK(n_made("the first query") > 10'000);
    CHECK_EQUAL(n_made("another"), tokens_in_one_call("**Query**:\nanother").size());
    CHECK_EQUAL(n_made("the first query"), 0U);
}

// User-defined tokens, which are found before the text is split.
void has_them_beside_whole_words() {
    const gguf_model::Written file(gguf_model::small({ "end.\n", "**Query", "two words", "\n\n" }).bytes());
    const llama_model_ptr     model   = load_vocabulary(file.path().c_str());
    const llama_vocab *       vocab   = llama_model_get_vocab(model.get());
    int                       n_wrong = 0;
    for (const size_t n_bytes : { size_t{ 0 }, kPieceBytes - 15, kPieceBytes - 10, kPieceBytes - 6 }) {
        for (const char * end : { "the end.", "end.\n", "\n", "**Query", "two", "two words", "two words two words" }) {
            const std::string document = std::string(n_bytes, 'x') + end;
            n_wrong += Prompter(vocab, kScoreToken, kContextSize).build(end, document).tokens ==
                               expected(end, document, vocab) ?
                           0 :
                           1;
        }
    }
    CHECK_EQUAL(n_wrong, 0);
}

void refuses_a_word_between_document_and_query() {
    const gguf_model::Written file(gguf_model::small({ ".\n**" }).bytes());
    const llama_model_ptr     model = load_vocabulary(file.path().c_str());
    CHECK_ERROR(Prompter(llama_model_get_vocab(model.get()), kScoreToken, kContextSize), ErrorCode::model_invalid);
}

// A cut document's rest is tokenized again where a query leaves it another length, and only that.
void knows_the_documents_that_it_cuts() {
    std::mt19937      random(3);
    const Prompter    prompter(vocabulary(), kScoreToken, 2000, kKnownBytes);
    const Prompter    plain(vocabulary(), kScoreToken, 2000);
    const std::string document = random_text(random, 0, 20 * kPieceBytes);
    for (const CutAt at : { CutAt::end, CutAt::start }) {
        Cut cut;
        cut.at = at;
        for (const char * query : { "first", "second", "a longer query than those two" }) {
            const Prompt prompt = prompter.build(query, document, cut);
            const Prompt again  = plain.build(query, document, cut);
            CHECK(prompt.tokens == again.tokens && prompt.tokens.size() > 1900);
            CHECK_EQUAL(prompt.n_dropped, again.n_dropped);
            CHECK_EQUAL(prompt.n_prefix, again.n_prefix);
        }
        const uint64_t before = prompter.tokenizer().n_made();
        prompter.build("first", document, cut);
        CHECK_EQUAL(prompter.tokenizer().n_made(), before);
    }
}

void has_them_on_several_threads() {
    const Prompter           prompter(vocabulary(), kScoreToken, kContextSize, 20'000);  // so that texts leave again
    std::atomic<int>         n_wrong{ 0 };
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (uint32_t seed = 0; seed < 4; ++seed) {
        threads.emplace_back([&, seed] {
            std::mt19937 random(seed / 2);  // two have the same texts
            for (int i = 0; i < 150; ++i) {
                const std::string document = random_text_with_ends(random);
                const std::string query    = i % 3 == 0 ? random_text_with_ends(random) : "the same query";
                n_wrong += prompter.build(query, document).tokens == expected(query, document) ? 0 : 1;
            }
        });
    }
    for (std::thread & thread : threads) {
        thread.join();
    }
    CHECK_EQUAL(n_wrong.load(), 0);
}

}  // namespace

int main(int argc, char ** argv) {
    load_backends(argc == 3 ? argv[1] : JINA_RERANKER_LIBRARIES);
    model_path = argc == 3 ? argv[2] : model_path;
    return check::run({
        { "has the tokens of the whole text", has_the_tokens_of_the_whole_text },
        { "has them behind an instruction", has_them_behind_an_instruction },
        { "has them for every character at the end of a document",
          has_them_for_every_character_at_the_end_of_a_document },
        { "makes the tokens of a known document once", makes_the_tokens_of_a_known_document_once },
        { "has them beside whole words", has_them_beside_whole_words },
        { "refuses a word between document and query", refuses_a_word_between_document_and_query },
        { "knows the documents that it cuts", knows_the_documents_that_it_cuts },
        { "has them on several threads", has_them_on_several_threads },
    });
}
