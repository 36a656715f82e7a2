// The whole engine with a random model: bits that do not depend on the batch, recovery after a failed batch, tokenizing, what is
// left after close. test/native/engine.test.ts makes the model and runs this.
//
//     engine-test LIBRARIES MODEL.gguf N_EMBD MMPROJ.gguf [SECONDS of mixed load, 1 unless given]

#include "backend.h"
#include "check.h"
#include "engine-support.h"
#include "store-support.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <thread>

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#    include <malloc.h>
#    define HAVE_HEAP_SIZE
#endif

namespace jina_reranker {

// Reaches private state, which only a test may touch.
struct EngineProbe {
    static void fail_batches(Engine & engine, bool fail) { engine.abort_.store(fail); }

    static DocumentStore & store(Engine & engine) { return *engine.store_; }

    static uint64_t n_tokens_made(const Engine & engine) { return engine.prompter_->tokenizer().n_made(); }
};

}  // namespace jina_reranker

using namespace jina_reranker;

namespace {

struct Model {
    std::string path;
    size_t      n_embd = 0;
    std::string mmproj_path;
    int         load_seconds = 1;
};

Model & model() {
    static Model instance;
    return instance;
}

std::unique_ptr<Engine> engine(const std::function<void(EngineOptions &)> & change = {}) {
    EngineOptions options;
    options.model_path   = model().path;
    options.context_size = 512;
    options.batch_tokens = 128;
    options.n_gpu_layers = 0;
    options.n_threads    = 2;
    if (change) {
        change(options);
    }
    return std::make_unique<Engine>(options, random_head(model().n_embd), LoadProgress());
}

std::unique_ptr<Engine> engine_with_tower(size_t document_cache_bytes = 0, size_t image_cache_bytes = 0) {
    return engine([&](EngineOptions & options) {
        options.document_cache_bytes = document_cache_bytes;
        options.mmproj_path          = model().mmproj_path;
        options.vision               = { 64, image_cache_bytes };
    });
}

bool is_scored(const JobOutcome & outcome) {
    if (outcome.error) {
        std::cerr << outcome.error->what() << "\n";
    }
    return outcome.result.has_value();
}

// Has the engine thread stand still, in a callback, until the gate is opened. What is submitted meanwhile it takes over together.
std::shared_ptr<Gate> hold(Engine & engine) {
    const auto gate    = std::make_shared<Gate>();
    const auto arrived = std::make_shared<std::promise<void>>();
    engine.submit(text_request("hold", { "still" }), [=](const JobOutcome &) {
        arrived->set_value();
        gate->wait();
    });
    arrived->get_future().wait();
    return gate;
}

// Short documents, and some longer than a batch.
std::vector<std::string> documents() {
    std::mt19937             random(5);
    std::vector<std::string> result;
    for (const int n_words : { 3, 200, 17, 1, 40, 120, 9, 8 }) {
        result.push_back(random_words(random, n_words));
    }
    return result;
}

void goes_on_after_a_batch_that_failed() {
    const auto tested = engine([](EngineOptions & options) { options.document_cache_bytes = 64U << 20U; });
    const auto before = answer(submit(*tested, "what is green?", documents()));
    CHECK(is_scored(before));
    EngineProbe::fail_batches(*tested, true);
    const auto failed = answer(submit(*tested, "what is a river?", documents()));
    CHECK(failed.error && failed.error->code == ErrorCode::engine_error);
    EngineProbe::fail_batches(*tested, false);
    for (int round = 0; round < 2; ++round) {  // from what the failed batch left in the KV cache nothing comes back
        const auto after = answer(submit(*tested, "what is green?", documents()));
        CHECK(after.result && before.result && after.result->logits == before.result->logits);
    }
    const EngineStats stats = tested->stats();
    CHECK_EQUAL(stats.jobs_failed, 1U);
    CHECK_EQUAL(stats.jobs_completed, 3U);
    CHECK_EQUAL(stats.pairs_queued, 0U);
    CHECK_EQUAL(stats.tokens_queued, 0U);
}

// Its thread stands still: the documents are computed, and a state that comes later is of use to the next query.
void a_slow_disk_holds_nothing_up() {
    const TemporaryFolder folder;
    const auto            with_store = [&](EngineOptions & options) {
        options.document_cache_bytes = 64U << 20U;
        options.document_store       = { folder.path().u8string(), uint64_t{ 1 } << 30U };
    };
    const auto expected = answer(submit(*engine(with_store), "what is green?", documents()));
    const auto tested   = engine(with_store);
    Gate       gate;
    StoreProbe::reader(EngineProbe::store(*tested)).post([&] { gate.wait(); });
    const auto late = answer(submit(*tested, "what is green?", documents()));
    CHECK(late.result && expected.result && late.result->logits == expected.result->logits);
    CHECK_EQUAL(late.result->n_reused, 0U);
    CHECK_EQUAL(tested->stats().states_restored, 0U);
    gate.open();
    const auto warm = answer(submit(*tested, "what is green?", documents()));
    CHECK(warm.result && warm.result->logits == expected.result->logits);
    CHECK(warm.result->n_reused > 0);
}

// While it hangs, what comes leaves no more reads behind than a few, and is computed.
void asks_little_of_a_disk_that_hangs() {
    const TemporaryFolder folder;
    const auto            tested = engine([&](EngineOptions & options) {
        options.document_cache_bytes = 64U << 20U;
        options.document_store       = { folder.path().u8string(), uint64_t{ 1 } << 30U };
    });
    DocumentStore &       store  = EngineProbe::store(*tested);
    constexpr size_t      kMost  = 4;
    StoreProbe::set_most_unwanted(store, kMost);
    Gate gate;
    StoreProbe::reader(store).post([&] { gate.wait(); });
    std::mt19937 random(5);
    for (int i = 0; i < 20; ++i) {
        CHECK(is_scored(answer(submit(*tested, "what is green?", { random_words(random, 20) }))));
        CHECK(StoreProbe::reader(store).n_waiting() <= kMost);
    }
    const auto kept = answer(submit(*tested, { std::nullopt, { random_words(random, 20) }, {}, 0, {} }));
    CHECK(kept.result && kept.result->n_stored == 1);
    gate.open();
}

// Of documents that are to be kept no more states are copied than have room, whether they are computed or known.
void keeps_no_more_states_in_memory_than_have_room() {
    const TemporaryFolder folder;
    const auto            tested = engine([&](EngineOptions & options) {
        options.document_cache_bytes = 64U << 20U;
        options.document_store       = { folder.path().u8string(), uint64_t{ 1 } << 30U };
    });
    DocumentStore &       store  = EngineProbe::store(*tested);
    ScoreRequest          request{ std::nullopt, {}, {}, 0, {} };
    std::mt19937          random(5);
    for (int i = 0; i < 8; ++i) {
        request.documents.emplace_back(random_words(random, 40));
    }
    StoreProbe::set_most_waiting(store, 1);  // smaller than a state: one has room when no other waits

    // What failed before it was copied leaves its room to others.
    EngineProbe::fail_batches(*tested, true);
    CHECK(answer(submit(*tested, request)).error.has_value());
    EngineProbe::fail_batches(*tested, false);

    for (int round = 0; round < 2; ++round) {
        Gate reading;
        Gate writing;
        StoreProbe::reader(store).post([&] { reading.wait(); });
        StoreProbe::writer(store).post([&] { writing.wait(); });
        const uint64_t n_requests = StoreProbe::n_requests(store);
        auto           waiting    = submit(*tested, request);
        while (StoreProbe::n_requests(store) < n_requests + request.documents.size()) {
            std::this_thread::yield();
        }
        // All documents are admitted in one turn of the engine thread.
        const auto         held = hold(*tested);
        std::promise<void> looked;
        reading.open();
        StoreProbe::reader(store).post([&] { looked.set_value(); });
        looked.get_future().wait();
        held->open();
        while (StoreProbe::n_waiting_bytes(store) == 0) {
            std::this_thread::yield();
        }
        for (int i = 0; i < 3; ++i) {  // turns in which others would be computed
            CHECK(is_scored(answer(submit(*tested, "what is green?", { "a river " + std::to_string(i) }))));
        }
        CHECK(StoreProbe::n_waiting_bytes(store) < size_t{ 2 } * 40 * 1024);  // 1 KB a token, 40 or more
        writing.open();
        const auto kept = answer(std::move(waiting));
        CHECK(kept.result && kept.result->n_stored == request.documents.size());
        CHECK((kept.result->n_computed == 0) == (round == 1));
        std::filesystem::remove_all(folder.path());  // known in memory alone
    }
}

// Of the image nothing is kept, and a text beside it is not lost.
void goes_on_after_an_image_that_failed() {
    const auto         tested = engine_with_tower();
    const ScoreRequest request{ std::string("what is green?"), { random_image(5, 4, 1) }, {}, 0, {} };
    EngineProbe::fail_batches(*tested, true);
    const auto failed = answer(submit(*tested, request));
    CHECK(failed.error && failed.error->code == ErrorCode::engine_error);
    EngineProbe::fail_batches(*tested, false);
    const auto after = answer(submit(*tested, request));
    const auto alone = answer(submit(*engine_with_tower(), request));
    CHECK(is_scored(after) && alone.result && after.result->logits == alone.result->logits);
    const EngineStats stats = tested->stats();
    CHECK_EQUAL(stats.images_encoded, 1U);
    CHECK_EQUAL(stats.work_queued, 0);
}

// Both fail with it, and the engine goes on.
void goes_on_after_an_image_of_two_jobs_that_failed() {
    const auto   tested = engine_with_tower();
    const auto   image  = random_image(5, 4, 1);
    ScoreRequest first{ std::string("what is green?"), { image }, {}, 0, {} };
    ScoreRequest second{ std::string("what is a river?"), { image }, {}, 0, {} };
    for (int round = 0; round < 5; ++round) {
        const auto held = hold(*tested);
        auto       one  = submit(*tested, first);
        auto       two  = submit(*tested, second);
        EngineProbe::fail_batches(*tested, true);
        held->open();
        const auto failed = answer(std::move(one));
        CHECK(failed.error && failed.error->code == ErrorCode::engine_error);
        CHECK(answer(std::move(two)).error);
        EngineProbe::fail_batches(*tested, false);
    }
    CHECK(is_scored(answer(submit(*tested, first))));
    CHECK_EQUAL(tested->stats().work_queued, 0);
}

void frees_its_caches_at_close() {
    const auto   tested = engine([](EngineOptions & options) {
        options.document_cache_bytes = 512U << 20U;
        options.score_cache_bytes    = 16U << 20U;
    });
    std::mt19937 random(9);
    for (int round = 0; round < 4; ++round) {
        std::vector<std::string> some;
        for (int i = 0; i < 8; ++i) {
            some.push_back(random_words(random, 100));
        }
        CHECK(is_scored(answer(submit(*tested, "what is green?", some))));
    }
    const uint64_t n_cached = tested->stats().cache_bytes;
    CHECK(n_cached > 1U << 20U);
#ifdef HAVE_HEAP_SIZE
    const auto in_use = [] {
        const auto heap = mallinfo2();
        return heap.uordblks + heap.hblkhd;
    };
    const size_t before = in_use();
    tested->close();
    CHECK(in_use() + n_cached < before);
#else
    tested->close();
#endif
    CHECK_EQUAL(tested->stats().cache_bytes, 0U);
    CHECK_EQUAL(tested->stats().cache_entries, 0U);
    tested->close();
}

// As when the process ends while an engine is being closed.
void is_aborted_while_it_closes() {
    for (int round = 0; round < 5; ++round) {
        const TemporaryFolder folder;
        const auto            tested = engine([&](EngineOptions & options) {
            options.document_cache_bytes = 64U << 20U;
            options.document_store       = { folder.path().u8string(), uint64_t{ 1 } << 30U };
        });
        Gate                  gate;
        StoreProbe::writer(EngineProbe::store(*tested)).post([&] { gate.wait(); });
        auto closing  = std::async(std::launch::async, [&] { tested->close(); });
        auto aborting = std::async(std::launch::async, [&] { tested->abort(); });
        gate.open();
        closing.get();
        aborting.get();
    }
}

// close() waits for the running batch, here for a callback that blocks. Tokenizing meanwhile throws at once and does not wait.
void refuses_to_tokenize_while_it_closes() {
    const auto         tested = engine();
    std::promise<void> let_go;
    std::promise<void> arrived;
    tested->submit({ "what is green?", { "a river" }, {}, 0, {} },
                   [&, held = let_go.get_future().share()](const JobOutcome & /*outcome*/) {
                       arrived.set_value();
                       held.wait();
                   });
    arrived.get_future().wait();
    CHECK(tested->tokenize("a text").size() > 1);
    auto       closing = std::async(std::launch::async, [&] { tested->close(); });
    auto       refused = std::async(std::launch::async, [&] {
        for (;;) {  // until close() has begun
            try {
                tested->tokenize("a text");
                std::this_thread::yield();
            } catch (const Error & error) {
                return error.code;
            }
        }
    });
    const bool in_time = refused.wait_for(std::chrono::seconds(20)) == std::future_status::ready;
    CHECK(in_time);
    CHECK(closing.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);  // it still waits
    let_go.set_value();
    closing.get();
    CHECK(refused.get() == ErrorCode::closed);
    CHECK_ERROR(tested->tokenize_pair("query", "document"), ErrorCode::closed);
}

// Pairs that come while their document is being computed for another job wait for it and start behind it.
void warms_pairs_that_wait() {
    const auto        tested = engine([](EngineOptions & options) { options.document_cache_bytes = 64U << 20U; });
    std::mt19937      random(3);
    const std::string document = random_words(random, 100);
    std::vector<std::future<JobOutcome>> waiting;
    for (int i = 0; i < 12; ++i) {
        waiting.push_back(submit(*tested, "question number " + std::to_string(i), { document }));
    }
    for (auto & each : waiting) {
        CHECK(is_scored(answer(std::move(each))));
    }
    CHECK(tested->stats().pairs_warm > 5);
    CHECK_EQUAL(tested->stats().cache_entries, 1U);
}

// A document that takes long to tokenize delays neither other requests nor close().
void is_not_held_up_by_a_giant_document() {
    const auto        tested = engine();
    const std::string giant(size_t{ 31 } << 20U, 'a');
    auto              large = submit(*tested, "what is green?", { giant, giant + "b", giant + "c" });
    const auto        small = answer(submit(*tested, "what is green?", { "a river" }));
    CHECK(is_scored(small));
    const auto outcome = answer(std::move(large));
    CHECK(is_scored(outcome));
    for (size_t i = 0; outcome.result && i < 3; ++i) {
        CHECK(outcome.result->prompt_tokens[i] <= 512);
        CHECK(outcome.result->dropped_tokens[i] > 100000);
    }
}

// Several clients with known, new, short, long and cancelled requests, texts and images, and caches too small for all of them. What
// is scored has the bits of the same request alone.
void serves_a_mixed_load() {
    struct Case {
        ScoreRequest       request;
        std::vector<float> logits;
    };

    std::mt19937      random(13);
    std::vector<Case> cases;
    for (int i = 0; i < 14; ++i) {
        Case one{ text_request("question number " + std::to_string(i), {}), {} };
        for (int n = 0; n < 1 + i % 4; ++n) {
            one.request.documents.emplace_back(
                random_words(random, i == 9 ? 300 : 1 + static_cast<int>(random() % 60)));
        }
        if (i >= 10) {  // two of them share an image
            one.request.documents.emplace_back(random_image(6, 5, static_cast<uint32_t>(i) / 2));
        }
        if (i == 13) {
            one.request.query = random_image(3, 4, 1);
        }
        one.logits = answer(submit(*engine_with_tower(), one.request)).result.value().logits;
        cases.push_back(one);
    }
    const auto       tested   = engine_with_tower(1U << 20U, 70000);
    const auto       end      = std::chrono::steady_clock::now() + std::chrono::seconds(model().load_seconds);
    std::atomic<int> n_scored = 0;
    std::atomic<int> n_wrong  = 0;
    const auto       client   = [&](uint32_t seed) {
        std::mt19937 choice(seed);
        for (int i = 0; i < 10 || std::chrono::steady_clock::now() < end; ++i) {
            const Case & one = cases[choice() % cases.size()];
            if (choice() % 5 == 0) {
                tested->cancel(tested->submit(one.request, [](const JobOutcome &) {}));
                continue;
            }
            const auto outcome = answer(submit(*tested, one.request));
            n_wrong += outcome.result && outcome.result->logits == one.logits ? 0 : 1;
            ++n_scored;
        }
    };
    std::vector<std::thread> clients;
    for (uint32_t seed = 0; seed < 4; ++seed) {
        clients.emplace_back(client, seed);
    }
    std::for_each(clients.begin(), clients.end(), [](std::thread & thread) { thread.join(); });
    std::cout << n_scored << " requests\n";
    CHECK(n_scored > 10);
    CHECK_EQUAL(n_wrong.load(), 0);
    CHECK(tested->stats().pairs_warm > 0);
    CHECK(tested->stats().images_encoded > 0);
    CHECK_EQUAL(tested->stats().work_queued, 0);
}

void tokenizes_a_known_document_once() {
    const auto tested   = engine([](EngineOptions & options) { options.document_cache_bytes = 64U << 20U; });
    const auto unknown  = engine();
    const auto n_tokens = [](const JobOutcome & outcome) {
        return outcome.result ? outcome.result->prompt_tokens : std::vector<uint32_t>{ 0 };
    };
    const auto     first  = answer(submit(*tested, "what is green?", documents()));
    const uint64_t n_made = EngineProbe::n_tokens_made(*tested);
    const auto     second = answer(submit(*tested, "how do machines learn?", documents()));
    const uint64_t n_more = EngineProbe::n_tokens_made(*tested) - n_made;
    CHECK(n_made > 300);
    // The query, once for each thread that came to it before it was known.
    CHECK(n_more > 0 && n_more < 40);
    const auto same = answer(submit(*unknown, "how do machines learn?", documents()));
    CHECK(is_scored(first) && n_tokens(second) == n_tokens(same) && n_tokens(second).size() == documents().size());
    CHECK(second.result && same.result && second.result->logits == same.result->logits);
}

// Of two engines, whose documents the same threads tokenize, each ends by itself; what it still had to do is forgotten.
void closes_beside_another_that_goes_on() {
    const auto               closing = engine();
    const auto               other   = engine();
    std::vector<std::string> giants;
    for (int i = 0; i < 20; ++i) {
        giants.push_back(std::to_string(i) + std::string(size_t{ 1 } << 20U, 'a'));
    }
    auto cut = submit(*closing, "what is green?", giants);
    auto all = submit(*other, "what is green?", documents());
    closing->close();
    const auto closed = answer(std::move(cut));
    CHECK(closed.result || (closed.error && closed.error->code == ErrorCode::closed));
    CHECK(is_scored(answer(std::move(all))));
    CHECK(is_scored(answer(submit(*other, "what is a river?", documents()))));
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 5 && argc != 6) {
        std::cerr << "usage: engine-test LIBRARIES MODEL.gguf N_EMBD MMPROJ.gguf [SECONDS]\n";
        return 2;
    }
    load_backends(argv[1]);
    model() = { argv[2], static_cast<size_t>(std::atoi(argv[3])), argv[4], argc == 6 ? std::atoi(argv[5]) : 1 };
    return check::run({
        { "goes on after a batch that failed", goes_on_after_a_batch_that_failed },
        { "goes on after an image that failed", goes_on_after_an_image_that_failed },
        { "goes on after an image of two jobs that failed", goes_on_after_an_image_of_two_jobs_that_failed },
        { "a slow disk holds nothing up", a_slow_disk_holds_nothing_up },
        { "asks little of a disk that hangs", asks_little_of_a_disk_that_hangs },
        { "keeps no more states in memory than have room", keeps_no_more_states_in_memory_than_have_room },
        { "frees its caches at close", frees_its_caches_at_close },
        { "refuses to tokenize while it closes", refuses_to_tokenize_while_it_closes },
        { "is aborted while it closes", is_aborted_while_it_closes },
        { "warms pairs that wait", warms_pairs_that_wait },
        { "tokenizes a known document once", tokenizes_a_known_document_once },
        { "closes beside another that goes on", closes_beside_another_that_goes_on },
        { "is not held up by a giant document", is_not_held_up_by_a_giant_document },
        { "serves a mixed load", serves_a_mixed_load },
    });
}
