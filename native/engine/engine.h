#pragma once

// The engine: owns model, context, score head, queue and two threads. The tokenizer thread turns documents into
// prompts; the engine thread alone touches the llama_context: it plans a batch, decodes it, runs the head and hands the
// scores to the queue. Public functions may be called from any thread.

#include "batch-planner.h"
#include "document-cache.h"
#include "job-queue.h"
#include "model.h"
#include "prompt.h"
#include "score-head.h"
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
    // One decode's tokens as llama.cpp wants them.
    struct Batch;

    // A pair that waits for its decode, or is in it.
    struct Pair {
        std::vector<llama_token> tokens;
        int32_t                  n_prefix = 0;  // tokens worth keeping in the document cache
        DocumentCache::EntryPtr  cached;        // restored at its first slice
    };

    int32_t n_cells() const;
    void    create_context();
    void    run_tokenizer();
    void    run_engine();
    bool    apply(JobQueue::Work work);
    void    run_batch(const Plan & plan);
    void    fill(Batch & batch, const Plan & plan);
    void    decode(Batch & batch);
    void    restore(llama_seq_id sequence, const DocumentCache::Entry & entry, int32_t n_tokens);
    void    keep_prefixes(const Batch & batch, const Plan & plan);
    void    free_sequences();
    void    reset_sequences();

    static bool on_eval(ggml_tensor * tensor, bool ask, void * user_data);

    EngineOptions options_;
    EngineInfo    info_;
    int32_t       alignment_ = 1;

    // Destroyed in reverse: threads are joined first, the context goes before the model.
    std::unique_ptr<Model>     model_;
    std::unique_ptr<Prompter>  prompter_;
    std::unique_ptr<ScoreHead> head_;
    llama_context_ptr          context_;
    std::unique_ptr<JobQueue>  queue_;

    // Engine thread only.
    std::unique_ptr<BatchPlanner>                    planner_;
    std::unique_ptr<DocumentCache>                   cache_;
    std::map<std::pair<uint64_t, uint32_t>, Pair>    pairs_;   // by job and index
    std::vector<float>                               hidden_;  // [n_outputs][n_embd] of the last decode
    std::vector<llama_seq_id>                        free_sequences_;
    std::optional<std::pair<uint64_t, llama_seq_id>> partial_;  // job and sequence in the KV cache

    std::atomic<bool>     abort_{ false };
    std::atomic<uint64_t> tokens_computed_{ 0 };
    std::atomic<uint64_t> tokens_padding_{ 0 };
    std::atomic<uint64_t> batches_{ 0 };
    std::atomic<uint64_t> tokens_reused_{ 0 };
    std::atomic<uint64_t> pairs_warm_{ 0 };
    std::atomic<uint64_t> cache_bytes_{ 0 };
    std::atomic<uint64_t> cache_entries_{ 0 };

    std::mutex  close_mutex_;
    bool        freed_ = false;
    std::thread tokenizer_thread_;
    std::thread engine_thread_;
};

}  // namespace jina_reranker
