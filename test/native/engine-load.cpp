// The whole engine under a mixed load from several threads: short and long pairs, repeated documents, cancelled jobs, a
// full queue, statistics read in between, and a close in the middle of it. Every job ends exactly once. A pair that is asked
// for again and again always gets the same bits: without a score cache, where it is computed in other batches each time and
// behind its document's state, and with one, half of the time each.
//
//     engine-load LIBRARIES MODEL.gguf N_EMBD SECONDS

#include "backend.h"
#include "engine-support.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

using namespace jina_reranker;

namespace {

constexpr int          kClients  = 4;
constexpr const char * kQuery    = "how do machines learn?";
constexpr const char * kDocument = "the river and the stone by which a machine was left in the green house of paper";

struct Counts {
    std::atomic<uint64_t> submitted{ 0 };
    std::atomic<uint64_t> ended{ 0 };
    std::atomic<uint64_t> refused{ 0 };
    std::atomic<uint64_t> computed{ 0 };  // watched pairs that no score cache can have answered
    std::atomic<uint64_t> wrong{ 0 };
};

constexpr std::chrono::duration<double> kLongest{ 120 };

// Submits requests without waiting for their answers, and cancels some.
void client(
    Engine & engine, Counts & counts, uint32_t seed, float expected, bool cached, const std::atomic<bool> & stop) {
    std::mt19937 random(seed);
    while (!stop) {
        ScoreRequest request;
        request.query       = kQuery;
        request.priority    = static_cast<int32_t>(random() % 3);
        request.documents   = { kDocument };
        const size_t n_more = random() % 12;
        for (size_t i = 0; i < n_more; ++i) {
            request.documents.emplace_back(
                random_words(random, random() % 8 == 0 ? 300 : 5 + static_cast<int>(random() % 40)));
        }
        const auto on_done = [&](const JobOutcome & outcome) {
            counts.ended += 1;
            if (outcome.result) {
                counts.computed += outcome.result->n_computed > 0 && !cached ? 1 : 0;
                counts.wrong += outcome.result->logits[0] != expected ? 1 : 0;
            }
        };
        try {
            const uint64_t id = engine.submit(std::move(request), on_done);
            counts.submitted += 1;
            if (random() % 4 == 0) {
                std::this_thread::sleep_for(std::chrono::milliseconds(random() % 20));
                engine.cancel(id);
            }
        } catch (const Error & error) {
            if (error.code == ErrorCode::closed) {
                return;
            }
            counts.refused += 1;
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
        engine.stats();
    }
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: engine-load LIBRARIES MODEL.gguf N_EMBD SECONDS\n");
        return 2;
    }
    load_backends(argv[1]);
    EngineOptions options;
    options.model_path         = argv[2];
    options.context_size       = 512;
    options.batch_tokens       = 128;
    options.n_gpu_layers       = 0;
    options.n_threads          = 2;
    options.max_queued_pairs   = 60;
    const HeadWeights head     = random_head(static_cast<size_t>(std::atoi(argv[3])));
    float             expected = 0.0f;
    {
        Engine           alone(options, head, {});
        const JobOutcome outcome = answer(submit(alone, kQuery, { kDocument }));
        if (!outcome.result) {
            std::fprintf(stderr, "%s\n", outcome.error->what());
            return 1;
        }
        expected = outcome.result->logits[0];
    }
    Counts      counts;
    EngineStats total;
    bool        all_ended        = true;
    options.document_cache_bytes = 8U << 20U;
    const std::chrono::duration<double> seconds(std::atof(argv[4]) / 2);
    for (const size_t score_cache_bytes : { size_t{ 0 }, size_t{ 64 } << 10U }) {
        options.score_cache_bytes = score_cache_bytes;
        Engine                   engine(options, head, {});
        std::atomic<bool>        stop{ false };
        std::vector<std::thread> clients;
        for (uint32_t seed = 1; seed <= kClients; ++seed) {
            clients.emplace_back([&, seed] { client(engine, counts, seed, expected, score_cache_bytes > 0, stop); });
        }
        const auto start    = std::chrono::steady_clock::now();
        const auto has_seen = [&] {
            const EngineStats stats = engine.stats();
            const bool        some  = score_cache_bytes > 0 ? stats.pairs_repeated > 0 : counts.computed > 0;
            return some && stats.pairs_warm > 0 && stats.jobs_cancelled > 0;
        };
        // On a slow machine it takes longer until everything has happened.
        while (std::chrono::steady_clock::now() - start < (has_seen() ? seconds : kLongest)) {
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
        engine.close();
        stop = true;
        for (std::thread & thread : clients) {
            thread.join();
        }
        const EngineStats stats = engine.stats();
        all_ended               = all_ended &&
                    stats.jobs_submitted == stats.jobs_completed + stats.jobs_cancelled + stats.jobs_failed &&
                    stats.pairs_queued == 0 && stats.tokens_queued == 0;
        total.jobs_completed += stats.jobs_completed;
        total.jobs_cancelled += stats.jobs_cancelled;
        total.jobs_failed += stats.jobs_failed;
        total.pairs_scored += stats.pairs_scored;
        total.pairs_warm += stats.pairs_warm;
        total.pairs_repeated += stats.pairs_repeated;
        total.batches += stats.batches;
    }
    std::printf(
        "{\"submitted\":%llu,\"ended\":%llu,\"refused\":%llu,\"computed\":%llu,\"wrong\":%llu,\"completed\":%llu,"
        "\"cancelled\":%llu,\"failed\":%llu,\"pairs\":%llu,\"warm\":%llu,\"repeated\":%llu,\"batches\":%llu}\n",
        static_cast<unsigned long long>(counts.submitted), static_cast<unsigned long long>(counts.ended),
        static_cast<unsigned long long>(counts.refused), static_cast<unsigned long long>(counts.computed),
        static_cast<unsigned long long>(counts.wrong), static_cast<unsigned long long>(total.jobs_completed),
        static_cast<unsigned long long>(total.jobs_cancelled), static_cast<unsigned long long>(total.jobs_failed),
        static_cast<unsigned long long>(total.pairs_scored), static_cast<unsigned long long>(total.pairs_warm),
        static_cast<unsigned long long>(total.pairs_repeated), static_cast<unsigned long long>(total.batches));
    return all_ended && counts.submitted == counts.ended && counts.wrong == 0 ? 0 : 1;
}
