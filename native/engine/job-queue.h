#pragma once

// The jobs in the engine, from submit to the answer. Bounded in pairs. Three kinds of threads meet here: callers push
// and cancel, tokenizer threads take documents and give prompts back, the engine thread takes prompts, waiting for them, and
// gives scores back. Rules:
//  Q1. A job is settled exactly once, by the thread that takes it out of the queue under the lock. Its callback runs after
//      the lock was released.
//  Q2. Every pair pushed is counted once as scored, kept (where no score is asked for) or dropped.
//  Q3. If so configured, documents of one request with the same text are computed once; the others get its score.
//  Q4. Once a job is settled, only the thread that settled it changes it. A tokenizer at work on it may still read its
//      strings, which its pointer keeps alive; its prompt is thrown away.

#include "error.h"
#include "job.h"
#include "prompt.h"
#include "types.h"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace jina_reranker {

struct QueueLimits {
    size_t                    max_pairs    = 2000;
    bool                      deduplicate  = true;
    int32_t                   context_size = 8192;  // tokens a pair has at most
    // How long the engine thread waits at most for short documents to become prompts before it computes a batch that is not
    // full. Some 30 are tokenized in that time.
    std::chrono::milliseconds patience{ 5 };
    TokenWork                 token_work = TokenWork();
    double                    image_work = 0;      // of encoding an image, for each of its tokens
    bool                      stores     = false;  // whether states are kept on disk too
};

class JobQueue {
  public:
    struct Document {
        JobPtr   job;
        uint32_t index;
    };

    struct PairImage {
        RequestImage image;
        // Whether its encoding is part of what waits because of this pair: add_image_work() is called for it. The query's is for
        // the first pair of a job.
        bool         counted = false;
    };

    struct ReadyPair {
        uint64_t                 job;
        uint32_t                 index;
        std::vector<llama_token> tokens;
        int32_t                  n_prefix;
        bool                     scored;  // false: its prefix alone is computed, to be kept
        int32_t                  priority;
        std::vector<PairImage>   images;  // no two alike

        // To compute, or known.
        int32_t n_tokens() const { return scored ? static_cast<int32_t>(tokens.size()) : n_prefix; }
    };

    struct Work {
        std::vector<ReadyPair> pairs;
        std::vector<uint64_t>  gone;  // jobs settled since the last call
        bool                   closed = false;
    };

    struct Score {
        uint64_t             job   = 0;
        uint32_t             index = 0;
        std::optional<float> logit;           // none: the document's state is kept, and no score was asked for
        bool                 stored = false;  // whether that is on disk
    };

    explicit JobQueue(QueueLimits limits) :
        limits_(limits),
        loads_(limits.token_work, limits.image_work, limits.context_size) {}

    // Throws queue_full or closed. Returns the job's id.
    uint64_t push(ScoreRequest request, JobCallback on_done);

    // Settles a job with `cancelled`. True when it was still unfinished.
    bool cancel(uint64_t id);
    // Settles a job with the scores that there are. True when it was still unfinished.
    bool stop(uint64_t id);

    // Fails every job that there is.
    void fail_all(const Error & error);

    // Fails every job with `closed` and wakes every thread.
    void close();

    bool closed() const;

    // Tokenizer threads: a document, round-robin over jobs; none when none waits.
    std::optional<Document> take_document();
    // The prompt of a document taken before; with a logit, the pair is scored and goes to no batch.
    void give_prompt(const Document & document, Prompt prompt, std::optional<float> logit, double tokenize_ms);

    // What the engine thread waits for besides: states that are read from disk.
    struct Reads {
        Clock::time_point soon;    // until then they are worth waiting for, although there are tokens to compute
        Clock::time_point latest;  // then the first of them is not waited for any more
    };

    // Engine thread: waits until there are tokens, a job was settled or wake() was called. Then it waits, for `patience` at most,
    // until there are enough tokens or no short document is left to tokenize: those are prompts within a fraction of a batch's
    // time, in which a batch of few tokens would cost as much as one of many. A long one does not keep the device idle.
    Work take_work(int64_t have_tokens, int64_t enough_tokens, const std::optional<Reads> & reads = std::nullopt);
    // Any thread: there is something for the engine thread that is not in this queue.
    void wake();
    // Marks the start of the first batch of these jobs.
    void begin_batch(const std::vector<uint64_t> & jobs);
    // Of one batch; settles jobs that are complete.
    void give_scores(const std::vector<Score> & scores);
    // A pair's tokens from begin to end were computed; with `restored`, those before came from the document cache.
    void add_tokens(uint64_t job, int32_t begin, int32_t end, bool restored);
    // Work of encoding an image was done, or is not needed, because its embeddings are known or their rows' K and V.
    void add_image_work(uint64_t job, double work);
    // An image of the job went through the vision tower.
    void add_encoded(uint64_t job);

    // Settles a job with an error. True when it was still unfinished.
    bool fail(uint64_t id, const Error & error);

    // Adds what the queue counts; the rest is the engine's.
    void count(EngineStats & stats) const;

  private:
    using Settled = std::pair<JobPtr, JobOutcome>;

    // Q1: takes the job out; call finish() with it after unlocking.
    Settled     settle(std::map<uint64_t, JobPtr>::iterator entry, JobOutcome outcome);
    // As above, with the job's result as it is.
    Settled     settle(std::map<uint64_t, JobPtr>::iterator entry);
    static void finish(std::vector<Settled> && settled);
    // Notes a score; adds the job to `settled` when that was the last one, or when it is no number.
    void        score(std::map<uint64_t, JobPtr>::iterator entry, const Score & score, std::vector<Settled> & settled);
    // Updates the load that waits, the job's and the total: adds `more`, subtracts `less`.
    void        recount(Job & job, Load more, Load less);
    // Of a pair that goes to the engine thread.
    std::vector<PairImage> images_of(Job & job, uint32_t document) const;

    const QueueLimits limits_;
    const PairLoads   loads_;

    mutable std::mutex         mutex_;
    std::condition_variable    engine_wakes_;
    std::map<uint64_t, JobPtr> jobs_;         // unsettled
    std::deque<JobPtr>         untokenized_;  // those with documents left for the tokenizer
    std::vector<ReadyPair>     ready_;
    std::vector<uint64_t>      gone_;
    int64_t                    n_ready_tokens_ = 0;
    size_t                     n_short_        = 0;  // short documents that are not yet prompts
    uint64_t                   last_id_        = 0;
    bool                       closed_         = false;
    bool                       woken_          = false;
    EngineStats                stats_;
};

}  // namespace jina_reranker
