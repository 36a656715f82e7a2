#pragma once

// Which tokens go into the next batch. Pure: knows lengths and ids, never tokens, ggml or time, and is used from the engine
// thread alone. Rules:
//  P1. A plan holds at most n_batch tokens of at most n_pairs pairs; with the partial pair's, also in a plan that leaves it
//      out, their pages are at most n_pages, those that they share with the document cache not counted. Their cells, those
//      that their tokens attend to, are at most n_cells.
//  P2. Between two plans at most one pair is partial (some of its tokens computed, some not). It comes first in a plan that
//      continues it.
//  P3. Jobs are served by work, which counts tokens and their attention: the job with the lowest rank goes next. The level is
//      what a job got that had an equal share from the start. A new job starts at the level, and ranks half a batch lower
//      until it got that much: so a short request passes the long ones. A long one falls behind the level meanwhile, so ever
//      new short ones do not hold it up. A partial pair gets work for half a batch while other jobs have pairs that fit, and
//      for a quarter once its job is above the level; where that is less than 32 tokens, it gets them in every few plans.
//  P4. While something waits every plan has work. That takes pages and cells for the longest pair.
//  P5. An image is encoded in steps, each a plan of its own, when its job is the next by P3 and has no pairs: those that wait for
//      the image come once it is encoded. One image at a time is partly encoded: it is ended before another begins, whosever.

#include "kv-pages.h"
#include "token-work.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace jina_reranker {

struct PlannerLimits {
    int32_t   n_batch    = 512;  // tokens
    int32_t   n_pairs    = 32;
    int32_t   n_pages    = INT32_MAX;  // beside those of the document cache
    int32_t   n_cells    = INT32_MAX;  // padded_cells() of all pairs
    TokenWork token_work = TokenWork();
};

struct PlannedSlice {
    uint64_t job;
    uint32_t pair;      // index of the document in its job
    int32_t  begin;     // tokens of the pair
    int32_t  end;       // one past the last
    bool     last;      // the pair's last token is in it
    bool     restored;  // the pages before `begin` come from the document cache
};

// A step of encoding an image.
struct PlannedStep {
    uint64_t job;
    int32_t  image;
};

// A batch, or a step.
struct Plan {
    std::optional<PlannedStep> step;
    std::vector<PlannedSlice>  slices;
    int32_t                    n_tokens = 0;
    int32_t                    n_last   = 0;  // slices with their pair's last token
    int32_t                    n_cells  = 0;  // padded_cells() of the slices' pairs
    double                     work     = 0;
};

class BatchPlanner {
  public:
    explicit BatchPlanner(PlannerLimits limits);

    // n_tokens: tokens the pair has, at least 1. n_cached: of those, how many at its start lie in pages of the document cache:
    // fewer than n_tokens; what comes next begins a page. Unknown jobs are added (P3).
    // cost: what each token of the job counts in P3, at least 1; a job of cost 2 gets half of what one of cost 1 gets.
    void add_pair(uint64_t job, uint32_t pair, int32_t n_tokens, int32_t n_cached = 0, int32_t cost = 1);

    // Gives a waiting pair a cached prefix that became available after add_pair(). False, and nothing changes, once some of the
    // pair was planned, or when n_cached is none that add_pair() would take.
    bool warm(uint64_t job, uint32_t pair, int32_t n_cached);

    // Forgets a waiting pair. False, and nothing changes, once some of it was planned.
    bool remove_pair(uint64_t job, uint32_t pair);

    // An image that pairs of the job wait for: n_steps of `work` each, at least 1. The rest as for add_pair().
    void add_image(uint64_t job, int32_t image, int32_t n_steps, double work, int32_t cost = 1);

    // What is left of a job's image is planned for another job from now on, which is added if it is unknown. Nothing is left once
    // the last step was planned, which may have failed.
    void hand_over(uint64_t from, int32_t image, uint64_t to, int32_t cost = 1);

    // Forgets a job, done or not.
    void remove_job(uint64_t job);

    // The next batch or step; neither when nothing waits. What is in a plan counts as done.
    Plan next();

    bool empty() const { return n_waiting() == 0; }

    // Tokens of pairs and steps of images not yet planned.
    int64_t n_waiting() const { return n_waiting_tokens_ + n_waiting_steps_; }

  private:
    struct WaitingPair {
        uint32_t pair;
        int32_t  n_tokens;
        int32_t  n_done;    // computed or cached
        int32_t  n_cached;  // in pages of the document cache

        bool is_untouched() const { return n_done == n_cached; }

        // Pages of its own that it has for its first n tokens.
        int32_t own_pages(int32_t n) const { return pages_of(n - n_cached); }
    };

    struct WaitingImage {
        int32_t image;
        int32_t n_steps;
        double  work;  // of a step
    };

    struct WaitingJob {
        std::deque<WaitingPair>  pairs;
        std::deque<WaitingImage> images;
        double                   start  = 0;  // the level when it came
        double                   served = 0;  // start, and work planned times cost
        int32_t                  cost   = 1;

        bool has_pairs() const { return !pairs.empty(); }

        bool has_work() const { return !pairs.empty() || !images.empty(); }
    };

    using Jobs     = std::map<uint64_t, WaitingJob>;
    using Position = std::deque<WaitingPair>::iterator;

    // A pair of which nothing is planned and nothing cached.
    std::optional<Position> find_untouched(uint64_t job, uint32_t pair);

    // Tokens of a pair that can still be taken. n_own_cells: that the plan has for it.
    int32_t        room(const Plan & plan, const WaitingPair & pair, int32_t n_own_cells = 0) const;
    void           take(Plan & plan, Jobs::iterator job, size_t position, int32_t n_tokens);
    bool           take_share(Plan & plan, Jobs::iterator job);
    void           serve(Plan & plan, WaitingJob & job, int32_t begin, int32_t end);
    void           extend_partial(Plan & plan);
    bool           fits_whole(const Plan & plan, const WaitingPair & pair) const;
    bool           add_whole(Plan & plan);
    Jobs::iterator add_job(uint64_t job, int32_t cost);
    Jobs::iterator least_served(bool (WaitingJob::*may_be)() const);
    void           take_step(Plan & plan, Jobs::iterator job);
    void           plan_batch(Plan & plan);
    void           start_partial(Plan & plan);
    double         rank(const WaitingJob & job) const;
    bool           others_waiting(uint64_t job) const;

    PlannerLimits           limits_;
    Jobs                    jobs_;                  // until removed; ordered by id, which is the order of arrival
    std::optional<uint64_t> partial_;               // the job whose first pair is partial
    std::optional<uint64_t> encoding_;              // the job whose first image is partly encoded
    double                  partial_share_    = 0;  // work that a long pair may get in the next plan (P3)
    double                  level_            = 0;  // what a job got that had its share all along (P3)
    int64_t                 n_waiting_tokens_ = 0;
    int64_t                 n_waiting_steps_  = 0;
    int32_t                 n_used_pages_     = 0;  // by the plan that next() makes and the partial pair
};

}  // namespace jina_reranker
