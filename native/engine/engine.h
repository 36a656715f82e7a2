#pragma once

// The engine: owns model, forward pass, queue, caches and threads, from load to close. Tokenizer threads turn the queue's
// documents into prompts (tokenizer-worker.h); the engine thread alone touches the forward pass and its pages (engine-loop.h).
// Public functions may be called from any thread.

#include "counters.h"
#include "document-store.h"
#include "engine-loop.h"
#include "engine-plan.h"
#include "forward.h"
#include "image-encoder.h"
#include "image-tokens.h"
#include "job-queue.h"
#include "model.h"
#include "prompt.h"
#include "score-cache.h"
#include "score-log.h"
#include "threads.h"
#include "tokenizer-pool.h"
#include "tokenizer-worker.h"
#include "types.h"
#include "worker-threads.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
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

    // Throws queue_full or closed; for an image images_not_supported, or invalid_argument for one that was not resized as the model
    // wants it, and for a request without a query where there is no document cache. on_done is called once, from any thread, never from inside this call.
    uint64_t submit(ScoreRequest request, JobCallback on_done);
    bool     cancel(uint64_t job) { return queue_->cancel(job); }

    bool stop(uint64_t job) { return queue_->stop(job); }

    // Throw closed once close() was called, and never wait for it; tokenize_pair also query_too_long.
    Prompt tokenize_pair(const Content & query, const Content & document, const std::string & instruction = {});
    std::vector<llama_token> tokenize(const std::string & text);

    EngineStats stats() const;

    // Finishes the running batch, fails what waits with `closed`, frees model, context and caches. Blocks; idempotent.
    void close();
    // As close(), but a batch running on the CPU is abandoned: for a process that is about to end.
    void abort();

  private:
    friend struct EngineProbe;  // the tests', which makes a batch fail

    void                                describe();
    void                                describe_tower(const VisionShape & shape);
    void                                open_store(const HeadWeights & head);
    EncoderOptions                      encoder_options() const;
    void                                admit_image(const std::string & name, Content & content);
    // The model's text side, kept from being freed; throws closed.
    std::shared_lock<std::shared_mutex> open_prompter() const;

    EngineOptions     options_;
    EnginePlan        plan_;
    EngineInfo        info_;
    Counters          counters_;
    std::atomic<bool> abort_{ false };
    bool              keeps_documents_ = false;

    // Destroyed in reverse: threads go before what they work on, that before the model that it rests on.
    std::unique_ptr<Model>               model_;
    std::optional<GgufFile>              tower_file_;  // none where images are refused
    ImageTokens                          image_tokens_;
    std::string                          tower_name_;  // of its weights, among the names of images on disk
    std::unique_ptr<Prompter>            prompter_;
    std::unique_ptr<ThreadPool>          threads_;
    std::unique_ptr<JobQueue>            queue_;
    std::unique_ptr<ScoreCache>          scores_;
    std::unique_ptr<Forward>             forward_;
    std::unique_ptr<ImageEncoder>        images_;
    std::unique_ptr<DocumentStore>       store_;      // none where states are kept in memory alone
    std::unique_ptr<ScoreLog>            score_log_;  // written on the store's thread
    std::unique_ptr<EngineLoop>          loop_;
    std::unique_ptr<TokenizerWorker>     tokenizer_;
    std::unique_ptr<TokenizerPool::Lane> lane_;
    WorkerThreads                        engine_thread_;

    std::mutex                close_mutex_;
    mutable std::shared_mutex free_mutex_;  // held to use the prompter from outside, and to free it
};

}  // namespace jina_reranker
