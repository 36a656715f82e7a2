#include "batch-planner.h"

#include "batch-shape.h"

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
    if (limits.n_batch < 1 || limits.n_pairs < 1 || limits.n_pages < 1 || limits.n_cells < 1) {
        throw std::invalid_argument("planner limits");
    }
}

int32_t BatchPlanner::room(const Plan & plan, const WaitingPair & pair, int32_t n_own_cells) const {
    const int64_t n_pages  = int64_t{ pair.own_pages(pair.n_done) } + limits_.n_pages - n_used_pages_;
    const int64_t in_pages = n_pages * kPageTokens - (pair.n_done - pair.n_cached);
    const int64_t in_cells = int64_t{ tokens_within(limits_.n_cells - plan.n_cells + n_own_cells) } - pair.n_done;
    return static_cast<int32_t>(std::min({ int64_t{ limits_.n_batch } - plan.n_tokens, in_pages, in_cells }));
}

BatchPlanner::Jobs::iterator BatchPlanner::add_job(uint64_t job, int32_t cost) {
    auto [entry, is_new] = jobs_.try_emplace(job);
    if (is_new) {
        entry->second.start  = level_;
        entry->second.served = level_;
        entry->second.cost   = cost;
    }
    return entry;
}

void BatchPlanner::add_pair(uint64_t job, uint32_t pair, int32_t n_tokens, int32_t n_cached, int32_t cost) {
    if (n_tokens < 1 || n_cached < 0 || n_cached >= n_tokens || cost < 1) {
        throw std::invalid_argument("a pair has at least one token to compute");
    }
    add_job(job, cost)->second.pairs.push_back({ pair, n_tokens, n_cached, n_cached });
    n_waiting_tokens_ += n_tokens - n_cached;
}

void BatchPlanner::add_image(uint64_t job, int32_t image, int32_t n_steps, double work, int32_t cost) {
    if (n_steps < 1 || !(work > 0) || cost < 1) {
        throw std::invalid_argument("an image has at least one step of work");
    }
    add_job(job, cost)->second.images.push_back({ image, n_steps, work });
    n_waiting_steps_ += n_steps;
}

void BatchPlanner::hand_over(uint64_t from, int32_t image, uint64_t to, int32_t cost) {
    auto &     images = jobs_.at(from).images;
    const auto found = std::find_if(images.begin(), images.end(), [&](const auto & one) { return one.image == image; });
    if (found == images.end()) {
        return;
    }
    const bool         begun   = encoding_ == from && found == images.begin();
    const WaitingImage waiting = *found;
    images.erase(found);
    auto & taken = add_job(to, cost)->second.images;
    taken.insert(begun ? taken.begin() : taken.end(), waiting);
    encoding_ = begun ? to : encoding_;
}

std::optional<BatchPlanner::Position> BatchPlanner::find_untouched(uint64_t job, uint32_t pair) {
    const auto entry = jobs_.find(job);
    if (entry == jobs_.end()) {
        return std::nullopt;
    }
    auto &     pairs = entry->second.pairs;
    const auto found = std::find_if(pairs.begin(), pairs.end(), [&](const auto & one) { return one.pair == pair; });
    return found == pairs.end() || found->n_done > 0 ? std::nullopt : std::optional(found);
}

bool BatchPlanner::remove_pair(uint64_t job, uint32_t pair) {
    const auto waiting = find_untouched(job, pair);
    if (!waiting) {
        return false;
    }
    n_waiting_tokens_ -= (*waiting)->n_tokens;
    jobs_.at(job).pairs.erase(*waiting);
    return true;
}

bool BatchPlanner::warm(uint64_t job, uint32_t pair, int32_t n_cached) {
    const auto found = find_untouched(job, pair);
    if (!found || n_cached >= (*found)->n_tokens) {
        return false;
    }
    const Position & waiting = *found;
    waiting->n_done          = n_cached;
    waiting->n_cached        = n_cached;
    n_waiting_tokens_ -= n_cached;
    return true;
}

void BatchPlanner::remove_job(uint64_t job) {
    const auto entry = jobs_.find(job);
    if (entry == jobs_.end()) {
        return;
    }
    for (const WaitingPair & waiting : entry->second.pairs) {
        n_waiting_tokens_ -= waiting.n_tokens - waiting.n_done;
    }
    for (const WaitingImage & waiting : entry->second.images) {
        n_waiting_steps_ -= waiting.n_steps;
    }
    jobs_.erase(entry);
    if (encoding_ == job) {
        encoding_.reset();
    }
    if (partial_ == job) {
        partial_.reset();
        partial_share_ = 0;
    }
}

// Moves n_tokens of a waiting pair into the plan.
void BatchPlanner::take(Plan & plan, Jobs::iterator job, size_t position, int32_t n_tokens) {
    WaitingJob &  waiting = job->second;
    WaitingPair & pair    = waiting.pairs[position];
    const int32_t begin   = pair.n_done;
    const int32_t end     = begin + n_tokens;
    const bool    last    = end == pair.n_tokens;

    plan.slices.push_back({ job->first, pair.pair, begin, end, last, pair.is_untouched() && pair.n_cached > 0 });
    plan.n_tokens += n_tokens;
    n_used_pages_ += pair.own_pages(end) - pair.own_pages(begin);
    plan.n_last += last ? 1 : 0;
    plan.n_cells += padded_cells(end);
    serve(plan, waiting, begin, end);
    if (last) {
        waiting.pairs.erase(waiting.pairs.begin() + static_cast<std::ptrdiff_t>(position));
    } else {
        pair.n_done = end;
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
                       [&](const auto & entry) { return entry.first != job && entry.second.has_work(); });
}

// Puts the first slice of a plan into it: of a job's first pair, which does not fit whole or is partial. False when its
// share so far is too small to be worth it; it grows with each plan that leaves it out.
bool BatchPlanner::take_share(Plan & plan, Jobs::iterator job) {
    const WaitingPair & pair   = job->second.pairs.front();
    const bool          alone  = !others_waiting(job->first);
    const bool          served = rank(job->second) > level_;
    partial_share_ += limits_.n_batch * (alone ? kMostAlone : served ? 1.0 / kLeastShare : 0.5);
    const auto    share    = static_cast<int32_t>(limits_.token_work.tokens_within(partial_share_, pair.n_done));
    const int32_t n_most   = std::min(pair.n_tokens - pair.n_done, room(plan, pair));
    const int32_t worth_it = std::min({ kLeastTokens, limits_.n_batch / kLeastShare, n_most });
    if (!alone && share < worth_it) {
        return false;
    }
    take(plan, job, 0, std::min(n_most, std::max(1, share)));
    partial_share_ = 0;
    partial_       = plan.slices.front().last ? std::nullopt : std::optional(job->first);
    return true;
}

// The job with the lowest rank is served next.
double BatchPlanner::rank(const WaitingJob & job) const {
    const double advance = limits_.n_batch / 2.0;
    return job.served - job.start < advance ? job.served - advance : job.served;
}

bool BatchPlanner::fits_whole(const Plan & plan, const WaitingPair & pair) const {
    return pair.is_untouched() && pair.n_tokens - pair.n_done <= room(plan, pair);
}

// Adds one whole pair of the least served job that has one that fits. False when none does.
bool BatchPlanner::add_whole(Plan & plan) {
    if (static_cast<int32_t>(plan.slices.size()) >= limits_.n_pairs) {
        return false;
    }
    auto   best          = jobs_.end();
    size_t best_position = 0;
    for (auto job = jobs_.begin(); job != jobs_.end(); ++job) {
        if (best != jobs_.end() && rank(best->second) <= rank(job->second)) {
            continue;
        }
        const auto & pairs = job->second.pairs;
        const auto   found =
            std::find_if(pairs.begin(), pairs.end(), [&](const auto & pair) { return fits_whole(plan, pair); });
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

BatchPlanner::Jobs::iterator BatchPlanner::least_served(bool (WaitingJob::*may_be)() const) {
    auto best = jobs_.end();
    for (auto job = jobs_.begin(); job != jobs_.end(); ++job) {
        if ((job->second.*may_be)() && (best == jobs_.end() || rank(job->second) < rank(best->second))) {
            best = job;
        }
    }
    return best;
}

// Fills what is left of the batch with the beginning of a pair that does not fit whole (P2: it goes first).
void BatchPlanner::start_partial(Plan & plan) {
    // A smaller slice would cost another batch later and save nothing now.
    const int32_t worth_it = std::max(1, limits_.n_batch / kLeastShare);
    const auto    best     = least_served(&WaitingJob::has_pairs);
    if (best == jobs_.end() || static_cast<int32_t>(plan.slices.size()) >= limits_.n_pairs) {
        return;
    }
    const WaitingPair & pair   = best->second.pairs.front();
    const int32_t       n_left = room(plan, pair);
    if (n_left < worth_it) {
        return;
    }
    take(plan, best, 0, std::min(n_left, pair.n_tokens - pair.n_done));
    if (!plan.slices.back().last) {
        partial_ = best->first;
        std::rotate(plan.slices.begin(), plan.slices.end() - 1, plan.slices.end());
    }
}

// Gives the partial pair what the others left of their half, but never its end: no row of the plan is its score's.
void BatchPlanner::extend_partial(Plan & plan) {
    const auto    job    = jobs_.find(*partial_);
    WaitingPair & pair   = job->second.pairs.front();
    const int64_t n_left = pair.n_tokens - pair.n_done - 1;
    const int64_t within = limits_.token_work.tokens_within(std::max(0.0, limits_.n_batch - plan.work), pair.n_done);
    const int32_t n_room = room(plan, pair, padded_cells(pair.n_done));
    const auto    more   = static_cast<int32_t>(std::min({ int64_t{ n_room }, n_left, within }));
    n_used_pages_ += pair.own_pages(pair.n_done + more) - pair.own_pages(pair.n_done);
    plan.n_cells += padded_cells(pair.n_done + more) - padded_cells(pair.n_done);
    serve(plan, job->second, pair.n_done, pair.n_done + more);
    plan.slices.front().end += more;
    pair.n_done += more;
    plan.n_tokens += more;
}

// The next step of the image that was begun, else of this job's first.
void BatchPlanner::take_step(Plan & plan, Jobs::iterator job) {
    auto &         owner = encoding_ ? *jobs_.find(*encoding_) : *job;
    WaitingImage & image = owner.second.images.front();
    plan.step            = { owner.first, image.image };
    plan.work            = image.work;
    owner.second.served += image.work * owner.second.cost;
    n_waiting_steps_ -= 1;
    image.n_steps -= 1;
    encoding_ = owner.first;
    if (image.n_steps == 0) {
        owner.second.images.pop_front();
        encoding_.reset();
    }
}

Plan BatchPlanner::next() {
    Plan   plan;
    double n_shares = 0;
    for (const auto & [id, job] : jobs_) {
        n_shares += job.has_work() ? 1.0 / job.cost : 0.0;
    }
    if (n_shares == 0) {
        return plan;
    }
    const auto job = least_served(&WaitingJob::has_work);
    if (!job->second.has_pairs()) {
        take_step(plan, job);
    } else {
        plan_batch(plan);
    }
    level_ += plan.work / n_shares;
    return plan;
}

void BatchPlanner::plan_batch(Plan & plan) {
    n_used_pages_ = 0;
    if (partial_) {
        const WaitingPair & pair = jobs_.at(*partial_).pairs.front();
        n_used_pages_            = pair.own_pages(pair.n_done);
    }
    // Were the whole ones taken first, they would leave a long pair nothing for as long as there are enough of them.
    const auto job = partial_ ? jobs_.find(*partial_) : least_served(&WaitingJob::has_pairs);
    if (partial_ || !fits_whole(plan, job->second.pairs.front())) {
        bool taken = take_share(plan, job);
        while (add_whole(plan)) {
        }
        while (plan.slices.empty()) {
            taken = take_share(plan, job);  // the others' pairs are long, too
        }
        if (taken && partial_) {
            extend_partial(plan);
        }
    } else {
        while (add_whole(plan)) {
        }
        start_partial(plan);
    }
}

}  // namespace jina_reranker
