#pragma once

// The engine thread's loop: it takes prompts from the queue, plans a batch, has it computed and hands the scores to the queue.
// Owns the pairs in between. A pair waits for its state on disk, and then for the embeddings of its images, before it is planned.
// Engine thread only, but for constructor and destructor.

#include "batch-planner.h"
#include "counters.h"
#include "forward.h"
#include "image-encoder.h"
#include "job-queue.h"
#include "pairs.h"
#include "pending-images.h"
#include "pending-states.h"
#include "score-cache.h"
#include "score-log.h"

#include <atomic>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace jina_reranker {

// What a loop works with; all of it outlives the loop.
struct LoopParts {
    JobQueue &                queue;
    Forward &                 forward;
    ScoreCache &              scores;
    Counters &                counters;
    const std::atomic<bool> & abort;   // set while a process ends: what fails then is not logged
    ImageEncoder *            images;  // nullptr = no image comes
    DocumentStore *           store;   // nullptr = states are kept in memory alone
    ScoreLog *                score_log;
    ImageTokens &             image_tokens;
};

class EngineLoop {
  public:
    // page_bytes: bytes of KV state in a page.
    EngineLoop(const LoopParts & parts, const PlannerLimits & limits, int32_t n_cached_pages, size_t page_bytes);

    // Returns once the queue is closed. Throws nothing: what fails has jobs fail.
    void run();

  private:
    bool                           turn();
    bool                           apply(JobQueue::Work work);
    void                           run_batch(const Plan & plan, Clock::time_point start);
    void                           fail_batch(const Plan & plan, const Error & error);
    void                           run_step(const PlannedStep & step);
    void                           fail_step(const PlannedStep & step, const Error & error);
    void                           log_failure(const char * what, const Error & error) const;
    void                           log_times(const Plan & plan, Clock::duration before, Clock::duration after) const;
    void                           plan_complete(const PairId & id, const Pair & pair);
    void                           give_logits(const Plan & plan, const std::vector<float> & logits);
    void                           log_score(const std::vector<llama_token> & tokens, float logit);
    void                           write_scores();
    void                           keep_prefix(const Pair & pair, std::vector<std::vector<llama_token>> & kept);
    void                           use_prefix(const std::vector<llama_token> & tokens);
    void                           add_pair(const PairId & id, Pair added);
    bool                           waits_for_state(const PairId & id, const Pair & pair);
    void                           take_states();
    std::optional<JobQueue::Reads> awaited_reads();
    void                           admit(const PairId & id, Pair & pair);
    void                           admit_held();
    bool                           write_state(const PairId & id, Pair & pair);
    void                           remove_pair(const PairId & id);
    void                           finish_known();
    void                           finish(const std::vector<PairId> & known);
    void                           count_known(const PairId & id, const Pair & pair);

    LoopParts    parts_;
    int64_t      n_batch_;  // tokens
    TokenWork    token_work_;
    size_t       page_bytes_;
    BatchPlanner planner_;
    Pairs        pairs_;

    std::optional<PendingImages>     pending_images_;           // none where no image comes
    std::optional<PendingStates>     pending_states_;           // none where states are kept in memory alone
    std::string                      score_records_;            // of this batch, for the score log
    double                           seconds_per_work_ = 1e-3;  // of recent batches; TokenWork
    std::optional<Clock::time_point> ready_since_;              // since when a batch waits for reads
    std::vector<PairId>              known_;                    // those of which nothing is left to compute
    std::set<PairId>                 held_;                     // to be kept, while much waits to be written
    uint64_t                         last_held_ = 0;            // the job of which one was admitted last
};

}  // namespace jina_reranker
