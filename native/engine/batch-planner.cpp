#include "batch-planner.h"

#include <algorithm>
#include <stdexcept>

namespace jina_reranker {

BatchPlanner::BatchPlanner(PlannerLimits limits) : limits_(limits) {
    if (limits.alignment < 1 || limits.n_batch < limits.alignment || limits.n_batch % limits.alignment != 0 ||
        limits.n_seq_max < 1) {
        throw std::invalid_argument("planner limits");
    }
}

int32_t BatchPlanner::padded(int32_t n_tokens) const {
    return (n_tokens + limits_.alignment - 1) / limits_.alignment * limits_.alignment;
}

void BatchPlanner::add_pair(uint64_t job, uint32_t pair, int32_t n_tokens) {
    if (n_tokens < 1) {
        throw std::invalid_argument("a pair has at least one token");
    }
    auto [entry, is_new] = jobs_.try_emplace(job);
    if (is_new) {
        entry->second.served = level_;
    }
    entry->second.pairs.push_back({ pair, n_tokens, 0 });
    n_waiting_tokens_ += n_tokens;
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

    plan.slices.push_back({ job->first, pair.pair, begin, end, padding, last });
    plan.n_tokens += n_tokens + padding;
    plan.n_last += last ? 1 : 0;
    waiting.served += n_tokens;
    n_waiting_tokens_ -= n_tokens;
    if (last) {
        waiting.pairs.erase(waiting.pairs.begin() + static_cast<std::ptrdiff_t>(position));
    } else {
        pair.n_done = end;
    }
}

bool BatchPlanner::others_waiting(uint64_t job) const {
    return std::any_of(jobs_.begin(), jobs_.end(),
                       [&](const auto & entry) { return entry.first != job && !entry.second.pairs.empty(); });
}

void BatchPlanner::continue_partial(Plan & plan) {
    const auto          job   = jobs_.find(*partial_);
    const WaitingPair & pair  = job->second.pairs.front();
    int32_t             share = limits_.n_batch;
    if (others_waiting(job->first)) {
        share = std::max(limits_.alignment, limits_.n_batch / 2 / limits_.alignment * limits_.alignment);
    }
    const int32_t n_left = pair.n_tokens - pair.n_done;
    take(plan, job, 0, std::min(n_left, share));
    if (plan.slices.front().last) {
        partial_.reset();
    }
}

// Adds one whole pair of the least served job that has one that fits. False when none does.
bool BatchPlanner::add_whole(Plan & plan) {
    if (static_cast<int32_t>(plan.slices.size()) >= limits_.n_seq_max) {
        return false;
    }
    const int32_t room = limits_.n_batch - plan.n_tokens;

    auto   best          = jobs_.end();
    size_t best_position = 0;
    for (auto job = jobs_.begin(); job != jobs_.end(); ++job) {
        if (best != jobs_.end() && best->second.served <= job->second.served) {
            continue;
        }
        const auto & pairs = job->second.pairs;
        const auto   fits  = std::find_if(pairs.begin(), pairs.end(), [&](const WaitingPair & pair) {
            return pair.n_done == 0 && padded(pair.n_tokens) <= room;
        });
        if (fits != pairs.end()) {
            best          = job;
            best_position = static_cast<size_t>(fits - pairs.begin());
        }
    }
    if (best == jobs_.end()) {
        return false;
    }
    take(plan, best, best_position, best->second.pairs[best_position].n_tokens);
    return true;
}

// Fills what is left of the batch with the beginning of a pair that does not fit whole (P2: it goes first).
void BatchPlanner::start_partial(Plan & plan) {
    const int32_t room     = (limits_.n_batch - plan.n_tokens) / limits_.alignment * limits_.alignment;
    // A sliver costs a batch's overhead later and saves nothing now.
    const int32_t worth_it = std::min(limits_.n_batch, std::max(limits_.alignment, limits_.n_batch / 8));
    if (room < worth_it || static_cast<int32_t>(plan.slices.size()) >= limits_.n_seq_max) {
        return;
    }
    auto best = jobs_.end();
    for (auto job = jobs_.begin(); job != jobs_.end(); ++job) {
        if (!job->second.pairs.empty() && (best == jobs_.end() || job->second.served < best->second.served)) {
            best = job;
        }
    }
    if (best == jobs_.end()) {
        return;
    }
    // The partial pair is its job's first from now on. One whose last slice would need padding beyond the room is cut too.
    take(plan, best, 0, std::min(room, best->second.pairs.front().n_tokens));
    if (!plan.slices.back().last) {
        partial_ = best->first;
        std::rotate(plan.slices.begin(), plan.slices.end() - 1, plan.slices.end());
    }
}

Plan BatchPlanner::next() {
    Plan       plan;
    // A batch that begins with a partial pair, even one that ends in it, starts no other: that one's cells would lie
    // behind cells about to be freed, and its continuation would be put into those.
    const bool had_partial = partial_.has_value();
    if (had_partial) {
        continue_partial(plan);
    }
    while (add_whole(plan)) {
    }
    if (!had_partial) {
        start_partial(plan);
    } else if (partial_) {
        // What the others left of their half goes to the partial pair as well.
        const int32_t  room   = (limits_.n_batch - plan.n_tokens) / limits_.alignment * limits_.alignment;
        const auto     job    = jobs_.find(*partial_);
        WaitingPair &  pair   = job->second.pairs.front();
        PlannedSlice & slice  = plan.slices.front();
        const int32_t  n_left = pair.n_tokens - pair.n_done;
        // Only whole blocks, and never the pair's end: its padding was not accounted for.
        const int32_t  more   = std::min(room, (n_left - 1) / limits_.alignment * limits_.alignment);
        slice.end += more;
        pair.n_done += more;
        plan.n_tokens += more;
        job->second.served += more;
        n_waiting_tokens_ -= more;
    }

    bool found = false;
    for (const auto & [id, job] : jobs_) {
        if (!job.pairs.empty()) {
            level_ = found ? std::min(level_, job.served) : job.served;
            found  = true;
        }
    }
    return plan;
}

}  // namespace jina_reranker
