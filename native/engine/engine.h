#pragma once

// The engine: owns model, context, score head, queue and two threads. The tokenizer thread turns documents into
// prompts; the engine thread alone touches the llama_context: it plans a batch, has it decoded, runs the head and hands the
// scores to the queue. Public functions may be called from any thread.

#include "batch-planner.h"
#include "decoder.h"
#include "document-cache.h"
#include "job-queue.h"
#include "model.h"
#include "prompt.h"
#include "score-cache.h"
#include "score-head.h"
#include "threads.h"
#include "types.h"

#include <atomic>
#include <map>
#include <mutex>
#include <thread>
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

    // Throw closed once close() was called; tokenize_pair also query_too_long.
    Prompt                   tokenize_pair(const std::string & query, const std::string & document);
    std::vector<llama_token> tokenize(const std::string & text);

    EngineStats stats() const;

    // Finishes the running batch, fails what waits with `closed`, frees model and context. Blocks; idempotent.
    void close();
    // As close(), but a batch running on the CPU is abandoned: for a process that is about to end.
    void abort();

  private:
    // A pair that waits for its decode, or is in it.
    struct Pair {
        std::vector<llama_token> tokens;
        int32_t                  n_prefix = 0;  // tokens worth keeping in the document cache
        DocumentCache::EntryPtr  cached;        // restored at its first slice
    };

    void run_tokenizer();
    void run_engine();
    bool apply(JobQueue::Work work);
    void run_batch(const Plan & plan);
    bool keep_prefixes(const Plan & plan);
    void find_prefixes();

    EngineOptions options_;
    EngineInfo    info_;

    // Destroyed in reverse: threads are joined first, the context goes before the model.
    std::unique_ptr<Model>      model_;
    std::unique_ptr<Prompter>   prompter_;
    std::unique_ptr<ThreadPool> threads_;
    std::unique_ptr<ScoreHead>  head_;
    std::unique_ptr<JobQueue>   queue_;
    std::unique_ptr<ScoreCache> scores_;

    std::atomic<bool> abort_{ false };

    // Engine thread only.
    std::unique_ptr<Decoder>                      decoder_;
    std::unique_ptr<BatchPlanner>                 planner_;
    std::unique_ptr<DocumentCache>                documents_;
    std::map<std::pair<uint64_t, uint32_t>, Pair> pairs_;  // by job and index

    std::atomic<uint64_t> tokens_computed_{ 0 };
    std::atomic<uint64_t> tokens_padding_{ 0 };
    std::atomic<uint64_t> batches_{ 0 };
    std::atomic<uint64_t> tokens_reused_{ 0 };
    std::atomic<uint64_t> pairs_warm_{ 0 };
    std::atomic<uint64_t> pairs_repeated_{ 0 };
    std::atomic<uint64_t> cache_bytes_{ 0 };
    std::atomic<uint64_t> cache_entries_{ 0 };

    std::mutex  close_mutex_;
    bool        freed_ = false;
    std::thread tokenizer_thread_;
    std::thread engine_thread_;
};

}  // namespace jina_reranker
