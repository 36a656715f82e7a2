#pragma once

// The engine thread's loop: it takes prompts from the queue, plans a batch, has it computed and hands the scores to the queue.
// Owns the pairs in between, their pages, and the document cache. A pair with images waits for their embeddings before it is
// planned. Engine thread only, but for constructor and destructor.

#include "batch-planner.h"
#include "counters.h"
#include "document-cache.h"
#include "forward.h"
#include "image-encoder.h"
#include "image-rows.h"
#include "job-queue.h"
#include "pending-images.h"
#include "pending-states.h"
#include "score-cache.h"
#include "score-log.h"

#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
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

    // Returns once the queue is closed.
    void run();

  private:
    // A pair that waits for its turn, or is being computed.
    struct Pair {
        std::vector<llama_token> tokens;
        int32_t                  n_prefix = 0;     // tokens worth keeping in the document cache
        bool                     scored   = true;  // false: these alone are computed
        int32_t                  n_shared = 0;     // tokens in pages that it shares with the cache
        std::vector<int32_t>     pages;            // held: those it shares first
        int32_t                  cost = 1;
        ImageRows                images;

        std::vector<JobQueue::PairImage> given_images;  // while its state is being read

        int32_t n_tokens() const { return scored ? static_cast<int32_t>(tokens.size()) : n_prefix; }
    };

    using Pairs = std::map<PairId, Pair>;

    bool apply(JobQueue::Work work);
    void run_batch(const Plan & plan, Clock::time_point start);
    void fail_batch(const Plan & plan, const Error & error);
    void run_step(const PlannedStep & step);
    void fail_step(const PlannedStep & step, const Error & error);
    void log_failure(const char * what, const Error & error) const;
    void log_times(const Plan & plan, Clock::duration before, Clock::duration after) const;
    void find_images(const PairId & id, Pair & pair, const std::vector<JobQueue::PairImage> & images);
    void plan_pair(const PairId & id, const Pair & pair);
    void take_pages(Pair & pair, int32_t n_tokens);
    void give_logits(const Plan & plan, const std::vector<float> & logits);
    void log_score(const std::vector<llama_token> & tokens, float logit);
    void write_scores();
    void keep_prefix(const Pair & pair, std::vector<std::vector<llama_token>> & kept);
    void use_prefix(const std::vector<llama_token> & tokens);
    void add_pair(const PairId & id, Pair added);
    bool waits_for_state(const PairId & id, const Pair & pair);
    void take_states();
    std::optional<JobQueue::Reads> awaited_reads();
    void                           admit(const PairId & id, Pair & pair);
    void                           admit_held();
    void                           find_prefix(Pair & pair);
    void                           release_pages(Pair & pair);
    bool                           write_state(const PairId & id, Pair & pair);
    void                           remove_pair(Pairs::iterator pair);
    void                           finish_known();
    void                           count_known(const PairId & id, const Pair & pair);

    LoopParts     parts_;
    int64_t       n_batch_;  // tokens
    TokenWork     token_work_;
    size_t        page_bytes_;
    BatchPlanner  planner_;
    DocumentCache documents_;

    Pairs                                     pairs_;
    std::optional<PendingImages>              pending_images_;           // none where no image comes
    std::optional<PendingStates>              pending_states_;           // none where states are kept in memory alone
    std::string                               score_records_;            // of this batch, for the score log
    double                                    seconds_per_work_ = 1e-3;  // of recent batches; TokenWork
    std::unordered_multimap<uint64_t, PairId> pairs_by_key_;             // those a new document prefix may serve
    std::optional<Clock::time_point>          ready_since_;              // since when a batch waits for reads
    std::vector<PairId>                       known_;                    // those of which nothing is left to compute
    std::deque<PairId>                        held_;                     // to be kept, while much waits to be written
};

}  // namespace jina_reranker
