// The forward pass with a random model: the same logits as llama_decode's within rounding, and the same bits whatever else is
// in a batch. test/native/forward.test.ts makes the models and runs this.
//
//     forward-test LIBRARIES MODEL.gguf TOLERANCE [DEVICE]

#include "backend.h"
#include "check.h"
#include "document-cache.h"
#include "engine-support.h"
#include "forward.h"
#include "gguf-check.h"
#include "head-logits.h"
#include "llama-cpp.h"

#include <algorithm>
#include <cstdlib>
#include <numeric>

using namespace jina_reranker;

namespace {

struct Arguments {
    std::string path;
    double      tolerance = 0;
    std::string device;
};

Arguments & arguments() {
    static Arguments instance;
    return instance;
}

using Tokens = std::vector<int32_t>;

constexpr int32_t kBatch  = 128;
constexpr int32_t kPages  = 200;
constexpr int32_t kPrefix = 75;  // tokens: four pages and a part of a fifth

// A forward pass and what it rests on.
struct Pass {
    explicit Pass(int32_t n_threads, KvType kv_type = KvType::f16, int32_t n_gpu_layers = 999) :
        file(arguments().path),
        threads(n_threads) {
        check_gguf(file);
        const auto shape = shape_of(file);
        n_vocab          = shape.n_vocab;
        n_embd           = shape.n_embd;
        n_layer          = shape.n_layer;
        ForwardOptions options;
        options.n_threads    = n_threads;
        options.n_batch      = kBatch;
        options.n_pairs      = 16;
        options.n_pages      = kPages;
        options.kv_type      = kv_type;
        options.n_gpu_layers = n_gpu_layers;
        options.images       = true;
        if (!arguments().device.empty()) {
            options.gpu = ggml_backend_dev_by_name(arguments().device.c_str());
        }
        forward = std::make_unique<Forward>(file, random_head(static_cast<size_t>(n_embd)), options, threads, abort,
                                            LoadProgress());
    }

    std::vector<int32_t> take(int32_t n_tokens) {
        std::vector<int32_t> pages;
        for (int32_t i = 0; i < pages_of(n_tokens); ++i) {
            pages.push_back(forward->pages().take().value());
        }
        return pages;
    }

    void release(const std::vector<int32_t> & pages) {
        for (const int32_t page : pages) {
            forward->pages().release(page);
        }
    }

    // Each of the pairs whole, all in one batch.
    std::vector<float> together(const std::vector<Tokens> & pairs) {
        Batch                             batch;
        std::vector<std::vector<int32_t>> taken;
        for (const Tokens & tokens : pairs) {
            taken.push_back(take(static_cast<int32_t>(tokens.size())));
            batch.add(tokens, 0, taken.back(), true);
        }
        auto logits = forward->run(std::move(batch));
        std::for_each(taken.begin(), taken.end(), [&](const auto & pages) { release(pages); });
        return logits;
    }

    std::vector<float> alone(const std::vector<Tokens> & pairs) {
        std::vector<float> logits;
        for (const Tokens & tokens : pairs) {
            logits.push_back(together({ tokens })[0]);
        }
        return logits;
    }

    GgufFile                 file;
    ThreadPool               threads;
    std::atomic<bool>        abort{ false };
    std::unique_ptr<Forward> forward;
    int32_t                  n_vocab = 0;
    int32_t                  n_embd  = 0;
    int32_t                  n_layer = 0;
};

Tokens random_tokens(std::mt19937 & random, int32_t n, int32_t n_vocab) {
    Tokens tokens(static_cast<size_t>(n));
    for (int32_t & token : tokens) {
        token = static_cast<int32_t>(random() % static_cast<uint32_t>(n_vocab));
    }
    return tokens;
}

std::vector<Tokens> random_pairs(int32_t n_vocab) {
    std::mt19937        random(7);
    std::vector<Tokens> pairs;
    for (const int32_t n_tokens : { 1, 2, 3, 17, 16, 15, 33, 7, 5, 24 }) {
        pairs.push_back(random_tokens(random, n_tokens, n_vocab));
    }
    return pairs;
}

// Hidden states of the last tokens, by llama.cpp.
std::vector<float> reference(const std::vector<Tokens> & pairs, int32_t n_embd) {
    llama_model_params model_params = llama_model_default_params();
    model_params.n_gpu_layers       = 0;
    model_params.use_extra_bufts    = false;
    const llama_model_ptr model(llama_model_load_from_file(arguments().path.c_str(), model_params));
    llama_context_params  params = llama_context_default_params();
    params.n_ctx                 = 512;
    params.n_batch = params.n_ubatch = 256;
    params.embeddings                = true;
    params.pooling_type              = LLAMA_POOLING_TYPE_NONE;
    params.n_threads = params.n_threads_batch = 2;
    const llama_context_ptr context(llama_init_from_model(model.get(), params));
    std::vector<float>      hidden;
    for (const Tokens & tokens : pairs) {
        llama_memory_clear(llama_get_memory(context.get()), true);
        Tokens copy = tokens;
        if (llama_decode(context.get(), llama_batch_get_one(copy.data(), static_cast<int32_t>(copy.size()))) != 0) {
            throw std::runtime_error("llama_decode failed");
        }
        const float * row = llama_get_embeddings_ith(context.get(), static_cast<int32_t>(copy.size()) - 1);
        hidden.insert(hidden.end(), row, row + n_embd);
    }
    return hidden;
}

void gives_what_llama_decode_gives() {
    Pass            pass(2);
    const auto      pairs = random_pairs(pass.n_vocab);
    const ScoreHead head(random_head(static_cast<size_t>(pass.n_embd)), pass.n_embd,
                         usable_devices(Backend::cpu).front());
    const auto      n      = static_cast<int32_t>(pairs.size());
    const auto      wanted = head_logits(head, reference(pairs, pass.n_embd), n);
    const auto      given  = pass.alone(pairs);
    double          worst  = 0;
    for (size_t i = 0; i < pairs.size(); ++i) {
        worst = std::max(worst, std::abs(static_cast<double>(wanted[i]) - static_cast<double>(given[i])));
    }
    std::cout << "worst difference " << worst << "\n";
    CHECK(worst <= arguments().tolerance);
    CHECK(std::adjacent_find(given.begin(), given.end()) == given.end());  // logits that tell something
}

void gives_the_same_bits_in_any_batch() {
    Pass       pass(2);
    auto       pairs    = random_pairs(pass.n_vocab);
    const auto expected = pass.alone(pairs);
    CHECK(pass.together(pairs) == expected);
    std::reverse(pairs.begin(), pairs.end());
    const auto reversed = pass.together(pairs);
    CHECK(std::equal(reversed.rbegin(), reversed.rend(), expected.begin()));
}

void gives_the_same_bits_in_pieces() {
    Pass         pass(2);
    std::mt19937 random(3);
    const Tokens tokens   = random_tokens(random, 100, pass.n_vocab);
    const float  expected = pass.together({ tokens })[0];
    const auto   beside   = pass.take(9);
    for (const int32_t step : { 1, 5, 16, 37, 99 }) {
        const auto pages = pass.take(100);
        float      logit = 0;
        for (int32_t begin = 0; begin < 100; begin += step) {
            const int32_t end = std::min(100, begin + step);
            Batch         batch;
            batch.add(random_tokens(random, 9, pass.n_vocab), 0, beside, true);  // another pair
            batch.add({ tokens.begin() + begin, tokens.begin() + end }, begin,
                      { pages.begin(), pages.begin() + pages_of(end) }, end == 100);
            const auto logits = pass.forward->run(std::move(batch));
            CHECK_EQUAL(logits.size(), end == 100 ? 2U : 1U);
            logit = logits.back();
        }
        CHECK_EQUAL(logit, expected);
        pass.release(pages);
    }
}

// A prefix that another pair computed, found in the tree, and continued by several at once.
void gives_the_same_bits_behind_shared_pages() {
    Pass                pass(2);
    std::mt19937        random(5);
    DocumentCache       cache(pass.forward->pages(), 50);
    const Tokens        prefix = random_tokens(random, kPrefix, pass.n_vocab);
    std::vector<Tokens> pairs;
    for (int32_t i = 0; i < 4; ++i) {
        Tokens       tokens = prefix;
        const Tokens rest   = random_tokens(random, 5 + i, pass.n_vocab);
        tokens.insert(tokens.end(), rest.begin(), rest.end());
        pairs.push_back(tokens);
    }
    const auto expected = pass.alone(pairs);
    const auto first    = pass.take(kPrefix);
    Batch      cold;
    cold.add(prefix, 0, first, true);
    pass.forward->run(std::move(cold));
    CHECK(cache.insert(prefix, kPrefix, first));
    pass.release(first);
    Batch                             warm;
    std::vector<std::vector<int32_t>> held;
    for (const Tokens & tokens : pairs) {
        auto [pages, n_shared] = cache.find(tokens, kPrefix);
        CHECK_EQUAL(n_shared, kPrefix);
        CHECK_EQUAL(pages.size(), 5U);
        const auto more = pass.take(static_cast<int32_t>(tokens.size()) - kPrefix);
        pages.insert(pages.end(), more.begin(), more.end());
        warm.add({ tokens.begin() + kPrefix, tokens.end() }, kPrefix, pages, true, kPrefix);
        held.push_back(pages);
    }
    CHECK(pass.forward->run(std::move(warm)) == expected);
    std::for_each(held.begin(), held.end(), [&](const auto & pages) { pass.release(pages); });
    CHECK_EQUAL(cache.n_pages(), 5);
    CHECK_EQUAL(pass.forward->pages().n_free(), kPages - 1 - 5);
}

void gives_the_same_bits_with_any_number_of_threads() {
    std::vector<float> expected;
    for (const int32_t n_threads : { 1, 2, 3 }) {
        Pass       pass(n_threads);
        const auto given = pass.together(random_pairs(pass.n_vocab));
        expected         = expected.empty() ? given : expected;
        CHECK(given == expected);
    }
}

// The rows of the embedding table, as f32.
std::vector<float> embeddings_of(const Pass & pass, const Tokens & tokens) {
    const ggml_tensor & table    = *pass.forward->weights().token_embd();
    const auto          to_float = ggml_get_type_traits(table.type)->to_float;
    const auto          n_embd   = static_cast<size_t>(pass.n_embd);
    std::vector<char>   row(table.nb[1]);
    std::vector<float>  numbers(tokens.size() * n_embd);
    for (size_t i = 0; i < tokens.size(); ++i) {
        float * to = numbers.data() + i * n_embd;
        ggml_backend_tensor_get(&table, row.data(), static_cast<size_t>(tokens[i]) * row.size(), row.size());
        if (to_float != nullptr) {
            to_float(row.data(), to, pass.n_embd);
        } else {
            std::copy(row.begin(), row.end(), reinterpret_cast<char *>(to));
        }
    }
    return numbers;
}

// The same tokens, some of them given as what the table has for them; each is, or the i-th where is_embedded(i).
template <typename IsEmbedded>
MixedRows mixed(const Pass & pass, const Tokens & tokens, int32_t first_position, IsEmbedded is_embedded) {
    MixedRows rows;
    Tokens    embedded;
    for (size_t i = 0; i < tokens.size(); ++i) {
        const int32_t position = first_position + static_cast<int32_t>(i);
        rows.positions.push_back({ position, position, position });
        rows.tokens.push_back(is_embedded(i) ? -1 : tokens[i]);
        if (is_embedded(i)) {
            embedded.push_back(tokens[i]);
        }
    }
    rows.embeddings = embeddings_of(pass, embedded);
    return rows;
}

void gives_the_same_bits_for_embeddings_as_for_tokens() {
    Pass         pass(2);
    std::mt19937 random(9);
    const Tokens tokens   = random_tokens(random, 60, pass.n_vocab);
    const Tokens other    = random_tokens(random, 13, pass.n_vocab);
    const auto   expected = pass.alone({ tokens, other });
    const auto   pages    = pass.take(60);
    const auto   beside   = pass.take(13);
    const auto   none     = [](size_t) {
        return false;
    };
    const auto all = [](size_t) {
        return true;
    };
    const auto image = [](size_t i) {
        return i >= 20 && i < 41;
    };
    const auto third = [](size_t i) {
        return i % 3 == 1;
    };
    const auto run = [&](const MixedRows & rows) {
        Batch batch;
        batch.add(other, 0, beside, true);
        batch.add(rows, 0, pages, true);
        batch.add(other, 0, beside, true);
        return pass.forward->run(std::move(batch));
    };
    const std::vector<float> wanted = { expected[1], expected[0], expected[1] };
    CHECK(run(mixed(pass, tokens, 0, none)) == wanted);
    CHECK(run(mixed(pass, tokens, 0, all)) == wanted);
    CHECK(run(mixed(pass, tokens, 0, image)) == wanted);
    CHECK(run(mixed(pass, tokens, 0, third)) == wanted);
    // An image that is spread over two batches.
    Batch first;
    first.add(mixed(pass, { tokens.begin(), tokens.begin() + 30 }, 0, image), 0, pages, false);
    pass.forward->run(std::move(first));
    Batch second;
    second.add(mixed(pass, { tokens.begin() + 30, tokens.end() }, 30, [](size_t i) { return i < 11; }), 30, pages,
               true);
    CHECK_EQUAL(pass.forward->run(std::move(second))[0], expected[0]);
    // Other embeddings and other positions show. One number may vanish where activations are rounded to 8 bits.
    MixedRows changed = mixed(pass, tokens, 0, image);
    for (float & number : changed.embeddings) {
        number = -number;
    }
    CHECK(run(changed)[1] != expected[0]);
    changed = mixed(pass, tokens, 0, image);
    for (size_t i = 20; i < 41; ++i) {
        changed.positions[i][2] = 7;
    }
    CHECK(run(changed)[1] != expected[0]);
}

void ends_when_it_is_told_to() {
    Pass pass(2);
    pass.abort = true;
    Batch batch;
    batch.add({ 1, 2, 3 }, 0, pass.take(3), true);
    CHECK_ERROR(pass.forward->run(std::move(batch)), ErrorCode::engine_error);
    pass.abort        = false;
    const auto pairs  = random_pairs(pass.n_vocab);
    const auto before = pass.together(pairs);
    CHECK(before == pass.alone(pairs));
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 4 && argc != 5) {
        std::cerr << "usage: forward-test LIBRARIES MODEL.gguf TOLERANCE [DEVICE]\n";
        return 2;
    }
    load_backends(argv[1]);
    arguments() = { argv[2], std::atof(argv[3]), argc == 5 ? argv[4] : "" };
    return check::run({
        { "gives what llama_decode gives", gives_what_llama_decode_gives },
        { "gives the same bits in any batch", gives_the_same_bits_in_any_batch },
        { "gives the same bits in pieces", gives_the_same_bits_in_pieces },
        { "gives the same bits behind shared pages", gives_the_same_bits_behind_shared_pages },
        { "gives the same bits with any number of threads", gives_the_same_bits_with_any_number_of_threads },
        { "gives the same bits for embeddings as for tokens", gives_the_same_bits_for_embeddings_as_for_tokens },
        { "ends when it is told to", ends_when_it_is_told_to },
    });
}
