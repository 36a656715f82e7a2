#pragma once

// Which tokens go into the next decode. Pure: knows lengths and ids, never tokens, llama.cpp or time, and is used from
// the engine thread alone. Rules:
//  P1. Slices of one plan, each padded to the alignment, together hold at most n_batch tokens; sequences at most n_seq_max.
//  P2. Between two plans at most one pair is partial (some of its tokens decoded, some not). It comes first in every plan
//      until it is done, so that its KV cells stay in order: all other sequences are freed after each decode, and the
//      cells behind the partial pair's are the first free ones.
//  P3. Every slice starts at a multiple of the alignment, and only a pair's last slice may need padding.
//  P4. Jobs are served by tokens: the job that got the fewest so far goes next. A partial pair yields half of a batch
//      while other jobs have pairs that fit.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

namespace jina_reranker {

struct PlannerLimits {
    int32_t n_batch   = 512;  // tokens in one decode, a multiple of alignment
    int32_t n_seq_max = 32;   // pairs in one decode
    int32_t alignment = 1;    // tokens; 1 = none
};

struct PlannedSlice {
    uint64_t job;
    uint32_t pair;       // index of the document in its job
    int32_t  begin;      // tokens of the pair
    int32_t  end;        // one past the last
    int32_t  n_padding;  // throw-away tokens after it
    bool     last;       // the score token is in it
};

struct Plan {
    std::vector<PlannedSlice> slices;
    int32_t                   n_tokens = 0;  // padding included
    int32_t                   n_last   = 0;  // slices with a score token
};

class BatchPlanner {
  public:
    explicit BatchPlanner(PlannerLimits limits);

    // Tokens a pair has; at least 1. Unknown jobs are added, and start level with the least served one.
    void add_pair(uint64_t job, uint32_t pair, int32_t n_tokens);

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
        int32_t  n_done;
    };

    struct WaitingJob {
        std::deque<WaitingPair> pairs;
        double                  served = 0;  // tokens planned, plus where it started
    };

    using Jobs = std::map<uint64_t, WaitingJob>;

    int32_t padded(int32_t n_tokens) const;
    void    take(Plan & plan, Jobs::iterator job, size_t position, int32_t n_tokens);
    void    continue_partial(Plan & plan);
    bool    add_whole(Plan & plan);
    void    start_partial(Plan & plan);
    bool    others_waiting(uint64_t job) const;

    PlannerLimits           limits_;
    Jobs                    jobs_;                  // until removed; ordered by id, which is the order of arrival
    std::optional<uint64_t> partial_;               // the job whose first pair is partial
    double                  level_            = 0;  // service of the least served job
    int64_t                 n_waiting_tokens_ = 0;
};

}  // namespace jina_reranker
