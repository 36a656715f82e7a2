#include "engine-loop.h"

#include "log.h"
#include "portable-tokens.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <set>
#include <string>

namespace jina_reranker {

namespace {

// The exception that is being handled, as jobs are told of it.
Error failure() {
    try {
        throw;
    } catch (const Error & error) {
        return error;
    } catch (const std::bad_alloc &) {
        return Error(ErrorCode::out_of_memory, "no memory for a batch on the host");
    } catch (const std::exception & failure) {
        // A device that is lost, as ggml's Vulkan backend tells it. Only a new process gets it back.
        return Error(ErrorCode::engine_error,
                     std::string("the device failed: ") + failure.what() + "; if it goes on, restart the process");
    }
}

}  // namespace

EngineLoop::EngineLoop(const LoopParts &     parts,
                       const PlannerLimits & limits,
                       int32_t               n_cached_pages,
                       size_t                page_bytes) :
    parts_(parts),
    n_batch_(limits.n_batch),
    token_work_(limits.token_work),
    page_bytes_(page_bytes),
    planner_(limits),
    pairs_(parts.forward.pages(), n_cached_pages) {
    if (parts.images != nullptr) {
        pending_images_.emplace(planner_, *parts.images, parts.queue, parts.counters);
    }
    if (parts.store != nullptr) {
        pending_states_.emplace(*parts.store, pairs_.documents(), parts.forward.pages(), parts.image_tokens);
    }
}

void EngineLoop::run() {
    for (bool open = true; open;) {
        try {
            open = turn();
        } catch (const std::exception &) {
            // Where it comes from is not known, so none of the jobs can go on.
            const Error error = failure();
            parts_.queue.fail_all(error);
            log_failure("engine", error);
        }
    }
}

// Takes over what there is and computes a batch, or a step. False once the queue is closed.
bool EngineLoop::turn() {
    finish_known();
    if (!apply(parts_.queue.take_work(planner_.n_waiting(), n_batch_, awaited_reads()))) {
        return false;
    }
    take_states();
    finish_known();
    const auto reads = awaited_reads();
    if (reads && planner_.n_waiting() < n_batch_ && Clock::now() < reads->soon) {
        return true;
    }
    ready_since_.reset();
    const auto start = Clock::now();
    const Plan plan  = planner_.next();
    try {
        if (plan.step) {
            run_step(*plan.step);
        } else if (!plan.slices.empty()) {
            run_batch(plan, start);
        }
    } catch (const std::exception &) {
        plan.step ? fail_step(*plan.step, failure()) : fail_batch(plan, failure());
    }
    return true;
}

// Reads that a batch waits for, but no longer than what is ready would take to compute: however often a slow disk answers, the
// device stands still for half of the time at most.
std::optional<JobQueue::Reads> EngineLoop::awaited_reads() {
    auto reads = pending_states_ ? pending_states_->reads() : std::nullopt;
    if (planner_.empty()) {
        ready_since_.reset();
    } else if (reads) {
        ready_since_ = ready_since_.value_or(Clock::now());
        const auto seconds =
            std::chrono::duration<double>(seconds_per_work_ * static_cast<double>(planner_.n_waiting()));
        reads->soon = std::min(reads->soon, *ready_since_ + std::chrono::duration_cast<Clock::duration>(seconds));
    }
    return reads;
}

// What the pages of its pairs hold is not known: their jobs end with it. Pages that the pairs share are only read.
void EngineLoop::fail_batch(const Plan & plan, const Error & error) {
    for (const PlannedSlice & slice : plan.slices) {
        parts_.queue.fail(slice.job, error);
    }
    log_failure("batch", error);
}

void EngineLoop::fail_step(const PlannedStep & step, const Error & error) {
    for (const uint64_t job : pending_images_->jobs_of(step.image)) {
        parts_.queue.fail(job, error);
    }
    log_failure("image", error);
}

void EngineLoop::log_failure(const char * what, const Error & error) const {
    if (!parts_.abort) {
        log_line(LogLevel::error, std::string(what) + " failed: " + error.what());
    }
}

// Takes over what the queue gave. False once it is closed.
bool EngineLoop::apply(JobQueue::Work work) {
    for (const uint64_t job : work.gone) {
        if (pending_images_) {
            pending_images_->remove_job(job);
        }
        planner_.remove_job(job);
        for (const PairId & id : pairs_.of_job(job)) {
            remove_pair(id);
        }
    }
    for (JobQueue::ReadyPair & pair : work.pairs) {
        Pair added;
        added.tokens       = std::move(pair.tokens);
        added.n_prefix     = pair.n_prefix;
        added.scored       = pair.scored;
        added.cost         = 1 + pair.priority;
        added.given_images = std::move(pair.images);
        add_pair({ pair.job, pair.index }, std::move(added));
    }
    return !work.closed;
}

void EngineLoop::add_pair(const PairId & id, Pair added) {
    Pair & pair = pairs_.add(id, std::move(added));
    pairs_.find_prefix(pair);
    if (!waits_for_state(id, pair)) {
        admit(id, pair);
    }
}

// Whether the pair's state may be on disk.
bool EngineLoop::waits_for_state(const PairId & id, const Pair & pair) {
    if (!pending_states_) {
        return false;
    }
    if (!pair.scored) {
        return pending_states_->look(id, pair.tokens, pair.n_prefix);
    }
    const double seconds = seconds_per_work_ * token_work_.of(pair.n_shared, std::max(pair.n_shared, pair.n_prefix));
    return pending_states_->wait(id, pair.tokens, pair.n_prefix, pair.n_shared, seconds);
}

// Takes over the states that were read, and hears of those that were looked for and written.
void EngineLoop::take_states() {
    std::vector<JobQueue::Score> kept;
    while (auto ready = pending_states_ ? pending_states_->next(Clock::now()) : std::nullopt) {
        const bool looked = ready->event == PendingStates::Event::looked;
        for (const PairId & id : ready->pairs) {
            Pair & pair = pairs_.at(id);
            if (ready->event == PendingStates::Event::written || (looked && ready->stored)) {
                if (looked) {
                    count_known(id, pair);
                }
                kept.push_back({ id.first, id.second, std::nullopt, ready->stored });
                remove_pair(id);
            } else {
                pairs_.find_prefix(pair);
                admit(id, pair);
            }
        }
        if (!ready->tokens.empty()) {
            parts_.counters.states_restored += 1;
            use_prefix(ready->tokens);
        }
    }
    parts_.queue.give_scores(kept);
}

// What was held because much waited to be written, a document of each job in turn.
void EngineLoop::admit_held() {
    while (!held_.empty() && pending_states_->has_room()) {
        const auto   of_next = held_.lower_bound({ last_held_ + 1, 0 });
        const PairId id      = of_next == held_.end() ? *held_.begin() : *of_next;
        last_held_           = id.first;
        held_.erase(id);
        admit(id, pairs_.at(id));
    }
}

// Plans a pair as soon as the embeddings that it needs are there.
void EngineLoop::admit(const PairId & id, Pair & pair) {
    if (!pair.scored && pending_states_) {
        if (!pending_states_->has_room()) {
            held_.insert(id);
            return;
        }
        pending_states_->reserve(id, pair.n_prefix);
    }
    pairs_.await_prefix(id, pair);
    if (!pair.given_images.empty()) {
        pair.images = pending_images_->find(id, pair, std::exchange(pair.given_images, {}));
    }
    plan_complete(id, pair);
}

// Unless embeddings are missing.
void EngineLoop::plan_complete(const PairId & id, const Pair & pair) {
    if (!pair.images.complete(pair.n_shared)) {
        return;
    }
    if (pair.known()) {
        known_.push_back(id);
    } else {
        planner_.add_pair(id.first, id.second, pair.n_tokens(), pair.n_shared, pair.cost);
    }
}

// Documents that were to be kept and are in memory. What they leave room for may be known, too.
void EngineLoop::finish_known() {
    for (admit_held(); !known_.empty(); admit_held()) {
        finish(std::exchange(known_, {}));
    }
}

void EngineLoop::finish(const std::vector<PairId> & known) {
    std::vector<JobQueue::Score> kept;
    for (const PairId & id : known) {
        Pair & pair = pairs_.at(id);
        count_known(id, pair);
        try {
            if (!write_state(id, pair)) {
                kept.push_back({ id.first, id.second, std::nullopt, false });
                remove_pair(id);
            }
        } catch (const std::exception &) {
            const Error error = failure();
            parts_.queue.fail(id.first, error);
            log_failure("state", error);
        }
    }
    parts_.queue.give_scores(kept);
}

void EngineLoop::count_known(const PairId & id, const Pair & pair) {
    parts_.counters.tokens_reused += static_cast<uint64_t>(pair.n_tokens());
    parts_.queue.add_tokens(id.first, pair.n_tokens(), pair.n_tokens(), true);
}

// Has a document that is to be kept wait until its state is on disk. False when it is kept in memory alone.
bool EngineLoop::write_state(const PairId & id, Pair & pair) {
    if (!pending_states_ || !pending_states_->write(id, pair.tokens, pair.n_prefix, pair.pages)) {
        return false;
    }
    pairs_.release_pages(pair);
    return true;
}

void EngineLoop::run_step(const PlannedStep & step) {
    const auto encoded = pending_images_->run(step);
    if (!encoded) {
        return;
    }
    for (const PairId & id : encoded->pairs) {
        Pair & pair = pairs_.at(id);
        pair.images.give(step.image, encoded->embeddings);
        plan_complete(id, pair);
    }
}

void EngineLoop::remove_pair(const PairId & id) {
    if (pending_states_) {
        pending_states_->remove(id);
    }
    held_.erase(id);
    pairs_.remove(id);
}

void EngineLoop::run_batch(const Plan & plan, Clock::time_point start) {
    std::set<uint64_t> jobs;
    Batch              batch;
    for (const PlannedSlice & slice : plan.slices) {
        Pair & pair = pairs_.at({ slice.job, slice.pair });
        pairs_.take_pages(pair, slice.end);
        if (pair.images.empty()) {
            batch.add({ pair.tokens.begin() + slice.begin, pair.tokens.begin() + slice.end }, slice.begin, pair.pages,
                      slice.last && pair.scored, pair.n_shared);
        } else {
            batch.add(pair.images.rows(pair.tokens, slice.begin, slice.end), slice.begin, pair.pages,
                      slice.last && pair.scored, pair.n_shared);
        }
        jobs.insert(slice.job);
    }
    parts_.queue.begin_batch({ jobs.begin(), jobs.end() });
    const auto               planned  = Clock::now();
    const std::vector<float> logits   = parts_.forward.run(std::move(batch));
    const auto               computed = Clock::now();
    const double             taken    = std::chrono::duration<double>(computed - planned).count() / plan.work;
    seconds_per_work_ += (taken - seconds_per_work_) / 8;
    give_logits(plan, logits);
    log_times(plan, planned - start, Clock::now() - computed);
}

// bench/batch-times.mjs reads this line.
void EngineLoop::log_times(const Plan & plan, Clock::duration before, Clock::duration after) const {
    const auto microseconds = [](Clock::duration duration) {
        return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(duration).count()) + " us to ";
    };
    const RunTimes & times  = parts_.forward.times();
    const int32_t    n_rows = plan.n_tokens + parts_.forward.n_padding(plan.n_tokens);
    log_line(LogLevel::debug, "batch of " + std::to_string(n_rows) + " rows: " + microseconds(before) + "plan it, " +
                                  microseconds(times.build) + "build its graph, " + microseconds(times.fill) +
                                  "fill its inputs, " + microseconds(times.compute) + "compute it, " +
                                  microseconds(after) + "give its scores");
}

void EngineLoop::give_logits(const Plan & plan, const std::vector<float> & logits) {
    std::vector<JobQueue::Score>          scores;
    std::vector<std::vector<llama_token>> kept;
    size_t                                n_logits = 0;
    parts_.counters.batches += 1;
    parts_.counters.tokens_padding += static_cast<uint64_t>(parts_.forward.n_padding(plan.n_tokens));
    for (const PlannedSlice & slice : plan.slices) {
        const PairId id{ slice.job, slice.pair };
        Pair &       pair = pairs_.at(id);
        parts_.counters.tokens_computed += static_cast<uint64_t>(slice.end - slice.begin);
        parts_.counters.tokens_reused += static_cast<uint64_t>(slice.restored ? slice.begin : 0);
        parts_.counters.pairs_warm += slice.restored && pair.scored ? 1 : 0;
        parts_.queue.add_tokens(slice.job, slice.begin, slice.end, slice.restored);
        if (slice.last) {
            std::optional<float> logit;
            if (pair.scored) {
                logit = logits[n_logits++];
                parts_.scores.insert(pair.tokens, *logit);
                log_score(pair.tokens, *logit);
            }
            // Behind part of a page that it shares, all of its prefix is known.
            if (pair.n_shared % kPageTokens == 0) {
                keep_prefix(pair, kept);
            }
            if (pair.scored || !write_state(id, pair)) {
                scores.push_back({ slice.job, slice.pair, logit, false });
                remove_pair(id);
            }
        }
    }
    write_scores();
    for (const auto & tokens : kept) {
        use_prefix(tokens);
    }
    parts_.counters.cache_bytes   = static_cast<uint64_t>(pairs_.documents().n_pages()) * page_bytes_;
    parts_.counters.cache_entries = pairs_.documents().n_entries();
    parts_.queue.give_scores(scores);
}

void EngineLoop::log_score(const std::vector<llama_token> & tokens, float logit) {
    if (parts_.score_log == nullptr || !std::isfinite(logit)) {
        return;
    }
    if (const auto portable = portable_tokens(tokens, tokens.size(), parts_.image_tokens)) {
        score_records_ += parts_.score_log->record_of(*portable, logit);
    }
}

void EngineLoop::write_scores() {
    if (!score_records_.empty()) {
        const size_t n_bytes = score_records_.size();
        parts_.store->post(
            n_bytes, [log = parts_.score_log, records = std::exchange(score_records_, {})] { log->append(records); });
    }
}

// Adds the pair's tokens to `kept` when the document cache did not know all of its prefix.
void EngineLoop::keep_prefix(const Pair & pair, std::vector<std::vector<llama_token>> & kept) {
    if (pending_states_ && pair.scored && pair.n_shared < pairs_.documents().usable(pair.n_prefix)) {
        pending_states_->write_behind(pair.tokens, pair.n_prefix, pair.pages);
    }
    if (pairs_.documents().insert(pair.tokens, pair.n_prefix, pair.pages)) {
        kept.push_back(pair.tokens);
    }
}

// Of pairs that wait, the prefix need not be computed any more.
void EngineLoop::use_prefix(const std::vector<llama_token> & tokens) {
    pairs_.share(tokens, [&](const PairId & id, const Pair & pair, int32_t n_shared) {
        if (n_shared < pair.n_tokens()) {
            return planner_.warm(id.first, id.second, n_shared);
        }
        const bool planned = planner_.remove_pair(id.first, id.second);
        if (planned) {
            known_.push_back(id);
        }
        return planned;
    });
}

}  // namespace jina_reranker
