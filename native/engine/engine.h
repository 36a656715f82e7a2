#pragma once

// The engine: owns model, forward pass, queue and threads. The tokenizer threads turn documents into prompts; the engine
// thread alone touches the forward pass and its pages: it plans a batch, has it computed and hands the scores to the queue.
// Public functions may be called from any thread.

#include "batch-planner.h"
#include "document-cache.h"
#include "forward.h"
#include "job-queue.h"
#include "model.h"
#include "prompt.h"
#include "score-cache.h"
#include "threads.h"
#include "types.h"
#include "worker-threads.h"

#include <atomic>
#include <map>
#include <mutex>
#include <shared_mutex>
#include <unordered_map>
#include <utility>
#include <vector>

namespace jina_reranker {

class Engine {
  public:
    // Throws Error; blocks while the model is read.
    Engine(EngineOptions options, const HeadWeights & head, const LoadProgress & progress);
    ~Engine();

    Engine(const Engine &)             = delete;
    Engine & operator=(const Engine &) = delete;
    Engine(Engine &&)                  = delete;
    Engine & operator=(Engine &&)      = delete;

    const EngineInfo & info() const { return info_; }

    // Throws queue_full or closed. on_done is called once, from any thread, never from inside this call.
    uint64_t submit(ScoreRequest request, JobCallback on_done);
    bool     cancel(uint64_t job) { return queue_->cancel(job); }

    // Throw closed once close() was called, and never wait for it; tokenize_pair also query_too_long.
    Prompt                   tokenize_pair(const std::string & query, const std::string & document);
    std::vector<llama_token> tokenize(const std::string & text);

    EngineStats stats() const;

    // Finishes the running batch, fails what waits with `closed`, frees model, context and caches. Blocks; idempotent.
    void close();
    // As close(), but a batch running on the CPU is abandoned: for a process that is about to end.
    void abort();

  private:
    friend struct EngineProbe;  // the tests', which makes a batch fail

    using PairId = std::pair<uint64_t, uint32_t>;  // job and index

    // A pair that waits for its turn, or is being computed.
    struct Pair {
        std::vector<llama_token> tokens;
        int32_t                  n_prefix = 0;  // tokens worth keeping in the document cache
        int32_t                  n_shared = 0;  // tokens in pages that it shares with the cache
        std::vector<int32_t>     pages;         // held: those it shares first
    };

    using Pairs = std::map<PairId, Pair>;

    size_t                              cache_bytes() const;
    void                                start_threads();
    // The model's text side, kept from being freed; throws closed.
    std::shared_lock<std::shared_mutex> open_prompter() const;

    void run_tokenizer();
    void run_engine();
    bool apply(JobQueue::Work work);
    void run_batch(const Plan & plan);
    void fail_batch(const Plan & plan, const Error & error);
    void take_pages(Pair & pair, int32_t n_tokens);
    void give_logits(const Plan & plan, const std::vector<float> & logits);
    void use_prefix(const std::vector<llama_token> & tokens);
    void add_pair(const PairId & id, Pair pair);
    void remove_pair(Pairs::iterator pair);

    EngineOptions options_;
    EngineInfo    info_;

    // Destroyed in reverse: the engine thread's state goes before the pages and the model that it rests on.
    std::unique_ptr<Model>      model_;
    std::unique_ptr<Prompter>   prompter_;
    std::unique_ptr<ThreadPool> threads_;
    std::unique_ptr<JobQueue>   queue_;
    std::unique_ptr<ScoreCache> scores_;

    std::atomic<bool> abort_{ false };

    // Engine thread only.
    std::unique_ptr<Forward>                  forward_;
    std::unique_ptr<BatchPlanner>             planner_;
    std::unique_ptr<DocumentCache>            documents_;
    Pairs                                     pairs_;
    std::unordered_multimap<uint64_t, PairId> pairs_by_key_;  // those a new document prefix may serve

    size_t page_bytes_ = 0;

    std::atomic<uint64_t> tokens_computed_{ 0 };
    std::atomic<uint64_t> tokens_padding_{ 0 };
    std::atomic<uint64_t> batches_{ 0 };
    std::atomic<uint64_t> tokens_reused_{ 0 };
    std::atomic<uint64_t> pairs_warm_{ 0 };
    std::atomic<uint64_t> pairs_repeated_{ 0 };
    std::atomic<uint64_t> cache_bytes_{ 0 };
    std::atomic<uint64_t> cache_entries_{ 0 };

    std::mutex                close_mutex_;
    mutable std::shared_mutex free_mutex_;  // held to use the prompter from outside, and to free it
    WorkerThreads             workers_;
};

}  // namespace jina_reranker
