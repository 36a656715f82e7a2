// The whole engine under a mixed load from several threads: short and long pairs, repeated documents, cancelled jobs, a
// full queue, statistics read in between, and a close in the middle of it. Every job ends exactly once, and a pair that
// is asked for again and again always gets the same bits.
//
//     engine-load LIBRARIES MODEL.gguf N_EMBD SECONDS

#include "backend.h"
#include "engine.h"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>

using namespace jina_reranker;

namespace {

constexpr int kClients = 4;

std::string words(std::mt19937 & random, int n_words) {
    static const std::vector<std::string> all = { "river", "stone", "machine", "learning", "paper", "house", "green" };
    std::string                           text;
    for (int i = 0; i < n_words; ++i) {
        text += (i > 0 ? " " : "") + all[random() % all.size()];
    }
    return text;
}

HeadWeights random_head(size_t n_embd) {
    std::mt19937                          random(1);
    std::uniform_real_distribution<float> value(-0.1f, 0.1f);
    HeadWeights                           head;
    head.w1.resize(n_embd * n_embd);
    head.b1.resize(n_embd);
    head.w2.resize(n_embd);
    for (auto * weights : { &head.w1, &head.b1, &head.w2 }) {
        for (float & weight : *weights) {
            weight = value(random);
        }
    }
    return head;
}

struct Counts {
    std::atomic<uint64_t> submitted{ 0 };
    std::atomic<uint64_t> ended{ 0 };
    std::atomic<uint64_t> refused{ 0 };
    std::atomic<uint64_t> wrong{ 0 };
};

// One request at a time, and one more left running now and then.
void client(Engine & engine, Counts & counts, uint32_t seed, float expected, const std::atomic<bool> & stop) {
    std::mt19937 random(seed);
    while (!stop) {
        ScoreRequest request;
        request.query       = "how do machines learn?";
        request.priority    = static_cast<int32_t>(random() % 3);
        request.documents   = { "the river and the stone" };
        const size_t n_more = random() % 12;
        for (size_t i = 0; i < n_more; ++i) {
            request.documents.push_back(words(random, random() % 8 == 0 ? 300 : 5 + static_cast<int>(random() % 40)));
        }
        const auto on_done = [&](const JobOutcome & outcome) {
            counts.ended += 1;
            if (outcome.result && outcome.result->logits[0] != expected) {
                counts.wrong += 1;
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

float score_once(Engine & engine) {
    std::mutex              mutex;
    std::condition_variable wakes;
    std::optional<float>    logit;
    ScoreRequest            request;
    request.query     = "how do machines learn?";
    request.documents = { "the river and the stone" };
    engine.submit(std::move(request), [&](const JobOutcome & outcome) {
        const std::lock_guard lock(mutex);
        logit = outcome.result ? outcome.result->logits[0] : 0.0f;
        wakes.notify_one();
    });
    std::unique_lock lock(mutex);
    wakes.wait(lock, [&] { return logit.has_value(); });
    return *logit;
}

}  // namespace

int main(int argc, char ** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: engine-load LIBRARIES MODEL.gguf N_EMBD SECONDS\n");
        return 2;
    }
    load_backends(argv[1]);
    EngineOptions options;
    options.model_path           = argv[2];
    options.context_size         = 512;
    options.batch_tokens         = 128;
    options.n_gpu_layers         = 0;
    options.n_threads            = 2;
    options.max_queued_pairs     = 60;
    options.document_cache_bytes = 8U << 20U;
    options.score_cache_bytes    = 64U << 10U;
    Engine      engine(options, random_head(static_cast<size_t>(std::atoi(argv[3]))), {});
    Counts      counts;
    const float expected = score_once(engine);

    std::atomic<bool>        stop{ false };
    std::vector<std::thread> clients;
    for (uint32_t seed = 1; seed <= kClients; ++seed) {
        clients.emplace_back([&, seed] { client(engine, counts, seed, expected, stop); });
    }
    std::this_thread::sleep_for(std::chrono::seconds(std::atoi(argv[4])));
    engine.close();
    stop = true;
    for (std::thread & thread : clients) {
        thread.join();
    }

    const EngineStats stats = engine.stats();
    const uint64_t    ended = stats.jobs_completed + stats.jobs_cancelled + stats.jobs_failed;
    std::printf(
        "{\"submitted\":%llu,\"ended\":%llu,\"refused\":%llu,\"wrong\":%llu,\"completed\":%llu,\"cancelled\":%llu,"
        "\"failed\":%llu,\"pairs\":%llu,\"warm\":%llu,\"repeated\":%llu,\"batches\":%llu}\n",
        static_cast<unsigned long long>(counts.submitted), static_cast<unsigned long long>(counts.ended),
        static_cast<unsigned long long>(counts.refused), static_cast<unsigned long long>(counts.wrong),
        static_cast<unsigned long long>(stats.jobs_completed), static_cast<unsigned long long>(stats.jobs_cancelled),
        static_cast<unsigned long long>(stats.jobs_failed), static_cast<unsigned long long>(stats.pairs_scored),
        static_cast<unsigned long long>(stats.pairs_warm), static_cast<unsigned long long>(stats.pairs_repeated),
        static_cast<unsigned long long>(stats.batches));
    const bool all_ended = counts.submitted == counts.ended && stats.jobs_submitted == ended && stats.pairs_queued == 0;
    return all_ended && counts.wrong == 0 && stats.jobs_completed > 0 ? 0 : 1;
}
