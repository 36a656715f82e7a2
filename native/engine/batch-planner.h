#pragma once

// Which tokens go into the next decode. Pure: knows lengths and ids, never tokens, llama.cpp or time, and is used from
// the engine thread alone. Rules:
//  P1. Slices of one plan, each padded to the alignment, together hold at most n_batch tokens; sequences are at most
//      n_seq_max, the partial pair's among them, also in a plan that leaves it out; they, what is restored for them and the
//      partial pair together take at most n_cells KV cells. The more cells the partial pair has, the fewer tokens are taken,
//      down to one block (n_attention).
//  P2. Between two plans at most one pair is partial (some of its tokens decoded, some not). It comes first in a plan
//      that continues it. All other sequences are freed after each decode, so that the cells behind the partial pair's
//      are the first free ones and its cells stay in order.
//  P3. Every slice starts at a multiple of the alignment, and only a pair's last slice may need padding.
//  P4. Jobs are served by work, which counts tokens and their attention: the job with the lowest rank goes next. The level is
//      what a job got that had an equal share from the start. A new job starts at the level, and ranks half a batch lower
//      until it got that much: so a short request passes the long ones. A long one falls behind the level meanwhile, so ever
//      new short ones do not hold it up. A partial pair gets work for half a batch while other jobs have pairs that fit, and
//      for a quarter once its job is above the level; where that is less than 32 tokens, it gets them in every few plans.
//  P5. A warm pair starts behind a prefix restored from the document cache, and all prefixes are restored before the
//      decode. Restored cells would come to lie before or between the partial pair's, so a plan that starts or continues
//      one takes no other warm pairs; warm pairs of a job that was served no more go first, in a plan that leaves the
//      partial pair out.
//  P6. While something waits every plan has work, at least one block of a pair: without flash attention a decode of one
//      block may exceed n_attention, because nothing smaller can be computed.

#include "token-work.h"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace jina_reranker {

struct PlannerLimits {
    int32_t   n_batch     = 512;        // tokens in one decode, a multiple of alignment
    int32_t   n_seq_max   = 32;         // pairs in one decode
    int32_t   alignment   = 1;          // tokens; 1 = none
    int32_t   n_cells     = INT32_MAX;  // KV cells; enough for the longest pair and one batch
    // Tokens of a decode times KV cells in use: without flash attention memory grows with it.
    int64_t   n_attention = INT64_MAX;
    TokenWork token_work  = TokenWork();
};

struct PlannedSlice {
    uint64_t job;
    uint32_t pair;       // index of the document in its job
    int32_t  begin;      // tokens of the pair
    int32_t  end;        // one past the last
    int32_t  n_padding;  // throw-away tokens after it
    bool     last;       // the score token is in it
    bool     restored;   // the tokens before `begin` come from the document cache
};

struct Plan {
    std::vector<PlannedSlice> slices;
    int32_t                   n_tokens = 0;  // padding included
    int32_t                   n_last   = 0;  // slices with a score token
    double                    work     = 0;
};

class BatchPlanner {
  public:
    explicit BatchPlanner(PlannerLimits limits);

    // n_tokens: tokens the pair has, at least 1. n_cached: of those, how many at its start will be restored instead of
    // computed; fewer than n_tokens, a multiple of the alignment. n_restored: cells that the restoring takes for a moment: what
    // is kept of the document may be longer than what can be used. Unknown jobs are added (P4).
    // cost: what each token of the job counts in P4, at least 1; a job of cost 2 gets half of what one of cost 1 gets.
    void add_pair(
        uint64_t job, uint32_t pair, int32_t n_tokens, int32_t n_cached = 0, int32_t n_restored = 0, int32_t cost = 1);

    // Gives a waiting pair a cached prefix that became available after add_pair(). False, and nothing changes, once some of the
    // pair was planned, or when n_cached is none that add_pair() would take.
    bool warm(uint64_t job, uint32_t pair, int32_t n_cached, int32_t n_restored);

    // Forgets a job, done or not. True when the partial pair was among its pairs: its KV cells are to be freed.
    bool remove_job(uint64_t job);

    // The next decode; no slices when nothing waits. A slice counts as done once planned.
    Plan next();

    bool empty() const { return n_waiting_tokens_ == 0; }

    // Tokens of pairs not yet planned.
    int64_t n_waiting_tokens() const { return n_waiting_tokens_; }

  private:
    struct WaitingPair {
        uint32_t pair;
        int32_t  n_tokens;
        int32_t  n_done;    // decoded or to be restored
        int32_t  n_cached;  // to be restored; 0 once that is planned
        int32_t  n_restored;
    };

    struct WaitingJob {
        std::deque<WaitingPair> pairs;
        double                  start  = 0;  // the level when it came
        double                  served = 0;  // start, and work planned times cost
        int32_t                 cost   = 1;
    };

    using Jobs = std::map<uint64_t, WaitingJob>;

    int32_t        padded(int32_t n_tokens) const;
    // Tokens that can still be taken, together with n_cached restored cells.
    int32_t        room(const Plan & plan, int32_t n_cached = 0) const;
    void           take(Plan & plan, Jobs::iterator job, size_t position, int32_t n_tokens);
    bool           take_share(Plan & plan, Jobs::iterator job);
    void           serve(Plan & plan, WaitingJob & job, int32_t begin, int32_t end);
    void           extend_partial(Plan & plan);
    bool           fits_whole(const Plan & plan, const WaitingPair & pair) const;
    bool           add_whole(Plan & plan, bool warm_ones);
    Jobs::iterator least_served();
    void           start_partial(Plan & plan);
    double         rank(const WaitingJob & job) const;
    bool           others_waiting(uint64_t job) const;
    bool           warm_ones_first() const;

    PlannerLimits           limits_;
    Jobs                    jobs_;                  // until removed; ordered by id, which is the order of arrival
    std::optional<uint64_t> partial_;               // the job whose first pair is partial
    double                  partial_share_    = 0;  // work that a long pair may get in the next plan (P4)
    double                  level_            = 0;  // what a job got that had its share all along (P4)
    int64_t                 n_waiting_tokens_ = 0;
    int32_t                 n_used_cells_     = 0;  // by the plan that next() makes and the partial pair
    int32_t                 n_used_sequences_ = 0;  // likewise
};

}  // namespace jina_reranker
