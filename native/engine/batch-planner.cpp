#include "batch-planner.h"

#include <algorithm>
#include <stdexcept>

namespace jina_reranker {

namespace {

// A long pair gets the work of 1 / kLeastShare of a batch, or more, and is begun with no less.
constexpr int32_t kLeastShare = 4;

// Beside others, a long pair gets at least so many tokens at once. Attention of fewer over its many cells leaves threads
// without work and vectors half empty (attention-kernel.h).
constexpr int32_t kLeastTokens = 32;

// While nothing else waits, a long pair gets the work of so many batches in one, for whose end a new request waits.
constexpr int32_t kMostAlone = 4;

}  // namespace

BatchPlanner::BatchPlanner(PlannerLimits limits) : limits_(limits) {
    if (limits.alignment < 1 || limits.n_batch < limits.alignment || limits.n_batch % limits.alignment != 0 ||
        limits.n_seq_max < 1) {
        throw std::invalid_argument("planner limits");
    }
}

int32_t BatchPlanner::padded(int32_t n_tokens) const {
    return (n_tokens + limits_.alignment - 1) / limits_.alignment * limits_.alignment;
}

int32_t BatchPlanner::room(const Plan & plan, int32_t n_cached) const {
    const int64_t n_cells   = int64_t{ n_used_cells_ } + n_cached;
    const int64_t attention = limits_.n_attention / (n_cells - plan.n_tokens + limits_.n_batch);
    const int64_t n_batch   = std::min<int64_t>(limits_.n_batch, attention);
    const auto    room      = static_cast<int32_t>(std::min(n_batch - plan.n_tokens, limits_.n_cells - n_cells));
    return std::max(0, room / limits_.alignment * limits_.alignment);
}

void BatchPlanner::add_pair(
    uint64_t job, uint32_t pair, int32_t n_tokens, int32_t n_cached, int32_t n_restored, int32_t cost) {
    if (n_tokens < 1 || n_cached < 0 || n_cached >= n_tokens || n_cached % limits_.alignment != 0 || cost < 1) {
        throw std::invalid_argument("a pair has at least one token to compute");
    }
    auto [entry, is_new] = jobs_.try_emplace(job);
    if (is_new) {
        entry->second.start  = level_;
        entry->second.served = level_;
        entry->second.cost   = cost;
    }
    entry->second.pairs.push_back({ pair, n_tokens, n_cached, n_cached, std::max(n_cached, n_restored) });
    n_waiting_tokens_ += n_tokens - n_cached;
}

bool BatchPlanner::warm(uint64_t job, uint32_t pair, int32_t n_cached, int32_t n_restored) {
    const auto entry = jobs_.find(job);
    if (entry == jobs_.end()) {
        return false;
    }
    auto &     pairs   = entry->second.pairs;
    const auto waiting = std::find_if(pairs.begin(), pairs.end(), [&](const auto & one) { return one.pair == pair; });
    if (waiting == pairs.end() || waiting->n_done > 0 || n_cached >= waiting->n_tokens ||
        n_cached % limits_.alignment != 0) {
        return false;
    }
    waiting->n_done     = n_cached;
    waiting->n_cached   = n_cached;
    waiting->n_restored = std::max(n_cached, n_restored);
    n_waiting_tokens_ -= n_cached;
    return true;
}

bool BatchPlanner::remove_job(uint64_t job) {
    const auto entry = jobs_.find(job);
    if (entry == jobs_.end()) {
        return false;
    }
    for (const WaitingPair & waiting : entry->second.pairs) {
        n_waiting_tokens_ -= waiting.n_tokens - waiting.n_done;
    }
    jobs_.erase(entry);
    if (partial_ == job) {
        partial_.reset();
        partial_share_ = 0;
        return true;
    }
    return false;
}

// Moves n_tokens of a waiting pair into the plan.
void BatchPlanner::take(Plan & plan, Jobs::iterator job, size_t position, int32_t n_tokens) {
    WaitingJob &  waiting = job->second;
    WaitingPair & pair    = waiting.pairs[position];
    const int32_t begin   = pair.n_done;
    const int32_t end     = begin + n_tokens;
    const bool    last    = end == pair.n_tokens;
    const int32_t padding = last ? padded(n_tokens) - n_tokens : 0;

    plan.slices.push_back({ job->first, pair.pair, begin, end, padding, last, pair.n_cached > 0 });
    plan.n_tokens += n_tokens + padding;
    n_used_cells_ += n_tokens + padding + pair.n_cached;
    n_used_sequences_ += begin == pair.n_cached ? 1 : 0;
    plan.n_last += last ? 1 : 0;
    serve(plan, waiting, begin, end);
    if (last) {
        waiting.pairs.erase(waiting.pairs.begin() + static_cast<std::ptrdiff_t>(position));
    } else {
        pair.n_done   = end;
        pair.n_cached = 0;
    }
}

// Counts a pair's tokens as planned.
void BatchPlanner::serve(Plan & plan, WaitingJob & job, int32_t begin, int32_t end) {
    const double work = limits_.token_work.of(begin, end);
    plan.work += work;
    job.served += work * job.cost;
    n_waiting_tokens_ -= end - begin;
}

bool BatchPlanner::others_waiting(uint64_t job) const {
    return std::any_of(jobs_.begin(), jobs_.end(),
                       [&](const auto & entry) { return entry.first != job && !entry.second.pairs.empty(); });
}

// Puts the first slice of a plan into it: of a job's first pair, which does not fit whole or is partial. False when its
// share so far is too small to be worth it; it grows with each plan that leaves it out.
bool BatchPlanner::take_share(Plan & plan, Jobs::iterator job) {
    const WaitingPair & pair   = job->second.pairs.front();
    const bool          alone  = !others_waiting(job->first);
    const bool          served = rank(job->second) > level_;
    partial_share_ += limits_.n_batch * (alone ? kMostAlone : served ? 1.0 / kLeastShare : 0.5);
    const int64_t within   = limits_.token_work.tokens_within(partial_share_, pair.n_done);
    const auto    share    = static_cast<int32_t>(within / limits_.alignment * limits_.alignment);
    const int32_t n_left   = pair.n_tokens - pair.n_done;
    const int32_t n_most   = std::min(n_left, std::max(limits_.alignment, room(plan, pair.n_cached)));
    const int32_t worth_it = std::min({ kLeastTokens, limits_.n_batch / kLeastShare, n_most });
    if (!alone && share < worth_it) {
        return false;
    }
    take(plan, job, 0, std::min(n_most, std::max(limits_.alignment, share)));
    partial_share_ = 0;
    partial_       = plan.slices.front().last ? std::nullopt : std::optional(job->first);
    return true;
}

// The job with the lowest rank is served next.
double BatchPlanner::rank(const WaitingJob & job) const {
    const double advance = limits_.n_batch / 2.0;
    return job.served - job.start < advance ? job.served - advance : job.served;
}

// Whether warm pairs wait whose job was served no more than the partial pair's.
bool BatchPlanner::warm_ones_first() const {
    const double served = rank(jobs_.at(*partial_));
    return std::any_of(jobs_.begin(), jobs_.end(), [&](const auto & entry) {
        const auto & pairs = entry.second.pairs;
        return entry.first != *partial_ && rank(entry.second) <= served &&
               std::any_of(pairs.begin(), pairs.end(), [](const WaitingPair & pair) { return pair.n_cached > 0; });
    });
}

bool BatchPlanner::fits_whole(const Plan & plan, const WaitingPair & pair) const {
    return pair.n_done == pair.n_cached && padded(pair.n_tokens - pair.n_cached) <= room(plan, pair.n_cached) &&
           n_used_cells_ + std::max(padded(pair.n_tokens), pair.n_restored) <= limits_.n_cells;
}

// Adds one whole pair of the least served job that has one that fits. False when none does.
bool BatchPlanner::add_whole(Plan & plan, bool warm_ones) {
    if (n_used_sequences_ >= limits_.n_seq_max) {
        return false;
    }
    const auto fits = [&](const WaitingPair & pair) {
        return (warm_ones || pair.n_cached == 0) && fits_whole(plan, pair);
    };
    auto   best          = jobs_.end();
    size_t best_position = 0;
    for (auto job = jobs_.begin(); job != jobs_.end(); ++job) {
        if (best != jobs_.end() && rank(best->second) <= rank(job->second)) {
            continue;
        }
        const auto & pairs = job->second.pairs;
        const auto   found = std::find_if(pairs.begin(), pairs.end(), fits);
        if (found != pairs.end()) {
            best          = job;
            best_position = static_cast<size_t>(found - pairs.begin());
        }
    }
    if (best == jobs_.end()) {
        return false;
    }
    const WaitingPair & pair = best->second.pairs[best_position];
    take(plan, best, best_position, pair.n_tokens - pair.n_done);
    return true;
}

BatchPlanner::Jobs::iterator BatchPlanner::least_served() {
    auto best = jobs_.end();
    for (auto job = jobs_.begin(); job != jobs_.end(); ++job) {
        if (!job->second.pairs.empty() && (best == jobs_.end() || rank(job->second) < rank(best->second))) {
            best = job;
        }
    }
    return best;
}

// Fills what is left of the batch with the beginning of a pair that does not fit whole (P2: it goes first).
void BatchPlanner::start_partial(Plan & plan) {
    // A smaller slice would cost another batch later and save nothing now.
    const int32_t worth_it = std::min(limits_.n_batch, std::max(limits_.alignment, limits_.n_batch / kLeastShare));
    // Behind restored cells, which are about to be freed, a partial pair's cells would not stay in order (P5).
    const bool    has_restored =
        std::any_of(plan.slices.begin(), plan.slices.end(), [](const PlannedSlice & slice) { return slice.restored; });
    if (has_restored || n_used_sequences_ >= limits_.n_seq_max) {
        return;
    }
    const auto best = least_served();
    if (best == jobs_.end()) {
        return;
    }
    // Its restored cells, too, must fit beside what the plan holds already.
    const WaitingPair & pair   = best->second.pairs.front();
    const int32_t       n_left = room(plan, pair.n_cached);
    if (n_left < worth_it || n_used_cells_ + pair.n_restored > limits_.n_cells) {
        return;
    }
    take(plan, best, 0, std::min(n_left, pair.n_tokens - pair.n_done));
    if (!plan.slices.back().last) {
        partial_ = best->first;
        std::rotate(plan.slices.begin(), plan.slices.end() - 1, plan.slices.end());
    }
}

// Gives the partial pair what the others left of their half. Only whole blocks, and never the pair's end: its padding
// was not accounted for.
void BatchPlanner::extend_partial(Plan & plan) {
    const auto    job    = jobs_.find(*partial_);
    WaitingPair & pair   = job->second.pairs.front();
    const int32_t n_left = pair.n_tokens - pair.n_done;
    const int64_t within = limits_.token_work.tokens_within(std::max(0.0, limits_.n_batch - plan.work), pair.n_done);
    const auto    most =
        static_cast<int32_t>(std::min({ static_cast<int64_t>(room(plan)), static_cast<int64_t>(n_left) - 1, within }));
    const int32_t more = most / limits_.alignment * limits_.alignment;
    serve(plan, job->second, pair.n_done, pair.n_done + more);
    plan.slices.front().end += more;
    pair.n_done += more;
    plan.n_tokens += more;
    n_used_cells_ += more;
}

Plan BatchPlanner::next() {
    Plan   plan;
    double n_shares = 0;
    for (const auto & [id, job] : jobs_) {
        n_shares += job.pairs.empty() ? 0.0 : 1.0 / job.cost;
    }
    if (n_shares == 0) {
        return plan;
    }
    n_used_cells_     = partial_ ? jobs_.at(*partial_).pairs.front().n_done : 0;
    n_used_sequences_ = partial_ ? 1 : 0;
    if (partial_ && warm_ones_first()) {
        while (add_whole(plan, true)) {
        }
    }
    if (plan.slices.empty()) {
        // Were the whole ones taken first, they would leave a long pair nothing for as long as there are enough of them.
        const auto job = partial_ ? jobs_.find(*partial_) : least_served();
        if (partial_ || !fits_whole(plan, job->second.pairs.front())) {
            // A batch that begins with a partial pair, even one that ends in it, starts no other: that one's cells would lie
            // behind cells about to be freed, and its continuation would be put into those.
            bool taken = take_share(plan, job);
            while (add_whole(plan, !taken)) {
            }
            while (plan.slices.empty()) {
                taken = take_share(plan, job);  // the others' pairs are long, too
            }
            if (taken && partial_) {
                extend_partial(plan);
            }
        } else {
            while (add_whole(plan, true)) {
            }
            start_partial(plan);
        }
    }

    level_ += plan.work / n_shares;
    return plan;
}

}  // namespace jina_reranker
