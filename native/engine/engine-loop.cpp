#include "engine-loop.h"

#include "log.h"
#include "portable-tokens.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <set>
#include <string>

namespace jina_reranker {

EngineLoop::EngineLoop(const LoopParts &     parts,
                       const PlannerLimits & limits,
                       int32_t               n_cached_pages,
                       size_t                page_bytes) :
    parts_(parts),
    n_batch_(limits.n_batch),
    token_work_(limits.token_work),
    page_bytes_(page_bytes),
    planner_(limits),
    documents_(parts.forward.pages(), n_cached_pages) {
    if (parts.images != nullptr) {
        pending_images_.emplace(planner_, *parts.images, parts.queue);
    }
    if (parts.store != nullptr) {
        pending_states_.emplace(*parts.store, documents_, parts.forward.pages(), parts.image_tokens);
    }
}

void EngineLoop::run() {
    for (;;) {
        finish_known();
        if (!apply(parts_.queue.take_work(planner_.n_waiting(), n_batch_, awaited_reads()))) {
            return;
        }
        take_states();
        finish_known();
        const auto reads = awaited_reads();
        if (reads && planner_.n_waiting() < n_batch_ && Clock::now() < reads->soon) {
            continue;
        }
        ready_since_.reset();
        const auto start = Clock::now();
        const Plan plan  = planner_.next();
        const auto fail  = [&](const Error & error) {
            plan.step ? fail_step(*plan.step, error) : fail_batch(plan, error);
        };
        try {
            if (plan.step) {
                run_step(*plan.step);
            } else if (!plan.slices.empty()) {
                run_batch(plan, start);
            }
        } catch (const Error & error) {
            fail(error);
        } catch (const std::bad_alloc &) {
            fail(Error(ErrorCode::out_of_memory, "no memory for a batch on the host"));
        } catch (const std::exception & failure) {
            // A device that is lost, as ggml's Vulkan backend tells it. Only a new process gets it back.
            fail(Error(ErrorCode::engine_error,
                       std::string("the device failed: ") + failure.what() + "; if it goes on, restart the process"));
        }
    }
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
        for (auto pair = pairs_.lower_bound({ job, 0 }); pair != pairs_.end() && pair->first.first == job;) {
            remove_pair(pair++);
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
    Pair & pair = pairs_[id] = std::move(added);
    find_prefix(pair);
    if (!waits_for_state(id, pair)) {
        admit(id, pair);
    }
}

// Holds the pages of what is known of the pair's prefix.
void EngineLoop::find_prefix(Pair & pair) {
    auto [pages, n_shared] = documents_.find(pair.tokens, pair.n_prefix);
    release_pages(pair);
    pair.pages    = std::move(pages);
    pair.n_shared = n_shared;
}

void EngineLoop::release_pages(Pair & pair) {
    for (const int32_t page : pair.pages) {
        parts_.forward.pages().release(page);
    }
    pair.pages.clear();
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
                remove_pair(pairs_.find(id));
            } else {
                find_prefix(pair);
                admit(id, pair);
            }
        }
        if (!ready->tokens.empty()) {
            parts_.counters.states_restored += 1;
            use_prefix(ready->tokens);
        }
    }
    parts_.queue.give_scores(kept);
    admit_held();
}

// What was held because much waited to be written.
void EngineLoop::admit_held() {
    while (!held_.empty() && pending_states_->has_room()) {
        const PairId id = held_.front();
        held_.pop_front();
        admit(id, pairs_.at(id));
    }
}

// Plans a pair as soon as the embeddings that it needs are there.
void EngineLoop::admit(const PairId & id, Pair & pair) {
    if (!pair.scored && pending_states_ && !pending_states_->has_room()) {
        held_.push_back(id);
        return;
    }
    const auto key = DocumentCache::key_of(pair.tokens);
    if (documents_.enabled() && pair.pages.empty() && key) {
        pairs_by_key_.emplace(*key, id);
    }
    if (!pair.given_images.empty()) {
        find_images(id, pair, std::exchange(pair.given_images, {}));
    }
    if (pair.images.complete(pair.n_shared)) {
        plan_pair(id, pair);
    }
}

void EngineLoop::plan_pair(const PairId & id, const Pair & pair) {
    if (pair.n_shared == pair.n_tokens()) {
        known_.push_back(id);
    } else {
        planner_.add_pair(id.first, id.second, pair.n_tokens(), pair.n_shared, pair.cost);
    }
}

// Documents that were to be kept and are in memory.
void EngineLoop::finish_known() {
    std::vector<JobQueue::Score> kept;
    for (const PairId & id : known_) {
        const auto pair = pairs_.find(id);
        count_known(id, pair->second);
        if (!write_state(id, pair->second)) {
            kept.push_back({ id.first, id.second, std::nullopt, false });
            remove_pair(pair);
        }
    }
    known_.clear();
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
    release_pages(pair);
    return true;
}

// Gives the pair the embeddings that are known, and has it wait for the others.
void EngineLoop::find_images(const PairId & id, Pair & pair, const std::vector<JobQueue::PairImage> & images) {
    std::vector<RequestImage> all;
    for (const JobQueue::PairImage & image : images) {
        all.push_back(image.image);
    }
    pair.images = ImageRows(pair.tokens, all);
    for (const JobQueue::PairImage & image : images) {
        const int32_t number = image.image.token;
        const bool    needed = pair.images.needs(number, pair.n_shared);
        EmbeddingsPtr known  = needed ? parts_.images->find(number) : nullptr;
        if (needed && !known) {
            pending_images_->add(image, id, pair.cost);
            continue;
        }
        if (known) {
            parts_.counters.images_reused += 1;
            pair.images.give(number, known);
        }
        if (image.counted) {
            const Image & pixels = *image.image.image;
            parts_.queue.add_image_work(id.first,
                                        parts_.images->work_per_step(pixels) * parts_.images->n_steps(pixels));
        }
    }
}

void EngineLoop::run_step(const PlannedStep & step) {
    parts_.queue.begin_batch(pending_images_->jobs_of(step.image));
    const auto start   = Clock::now();
    const auto encoded = pending_images_->run(step);
    parts_.counters.image_encode_us +=
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count());
    if (!encoded) {
        return;
    }
    for (const PairId & id : encoded->pairs) {
        Pair & pair = pairs_.at(id);
        pair.images.give(step.image, encoded->embeddings);
        if (pair.images.complete(pair.n_shared)) {
            plan_pair(id, pair);
        }
    }
    parts_.queue.add_encoded(step.job);
    parts_.counters.images_encoded += 1;
    parts_.counters.image_bytes   = parts_.images->n_bytes();
    parts_.counters.image_entries = parts_.images->n_entries();
}

void EngineLoop::remove_pair(Pairs::iterator pair) {
    if (pending_states_) {
        pending_states_->remove(pair->first);
    }
    if (const auto key = DocumentCache::key_of(pair->second.tokens)) {
        const auto [first, last] = pairs_by_key_.equal_range(*key);
        const auto found = std::find_if(first, last, [&](const auto & other) { return other.second == pair->first; });
        if (found != last) {
            pairs_by_key_.erase(found);
        }
    }
    held_.erase(std::remove(held_.begin(), held_.end(), pair->first), held_.end());
    release_pages(pair->second);
    pairs_.erase(pair);
}

// So that the pair has pages for its first n_tokens tokens.
void EngineLoop::take_pages(Pair & pair, int32_t n_tokens) {
    const int32_t n_pages = pages_of(pair.n_shared) + pages_of(n_tokens - pair.n_shared);
    while (static_cast<int32_t>(pair.pages.size()) < n_pages) {
        const auto page = parts_.forward.pages().take();
        if (!page) {
            throw Error(ErrorCode::engine_error, "no page of KV state is free");  // pages_of_batches() is wrong then
        }
        pair.pages.push_back(*page);
    }
}

void EngineLoop::run_batch(const Plan & plan, Clock::time_point start) {
    std::set<uint64_t> jobs;
    Batch              batch;
    for (const PlannedSlice & slice : plan.slices) {
        Pair & pair = pairs_.at({ slice.job, slice.pair });
        take_pages(pair, slice.end);
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
        const auto pair = pairs_.find({ slice.job, slice.pair });
        parts_.counters.tokens_computed += static_cast<uint64_t>(slice.end - slice.begin);
        parts_.counters.tokens_reused += static_cast<uint64_t>(slice.restored ? slice.begin : 0);
        parts_.counters.pairs_warm += slice.restored && pair->second.scored ? 1 : 0;
        parts_.queue.add_tokens(slice.job, slice.begin, slice.end, slice.restored);
        if (slice.last) {
            std::optional<float> logit;
            if (pair->second.scored) {
                logit = logits[n_logits++];
                parts_.scores.insert(pair->second.tokens, *logit);
                log_score(pair->second.tokens, *logit);
            }
            // Behind part of a page that it shares, all of its prefix is known.
            if (pair->second.n_shared % kPageTokens == 0) {
                keep_prefix(pair->second, kept);
            }
            if (pair->second.scored || !write_state(pair->first, pair->second)) {
                scores.push_back({ slice.job, slice.pair, logit, false });
                remove_pair(pair);
            }
        }
    }
    write_scores();
    for (const auto & tokens : kept) {
        use_prefix(tokens);
    }
    parts_.counters.cache_bytes   = static_cast<uint64_t>(documents_.n_pages()) * page_bytes_;
    parts_.counters.cache_entries = documents_.n_entries();
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
        parts_.store->post(
            [log = parts_.score_log, records = std::exchange(score_records_, {})] { log->append(records); });
    }
}

// Adds the pair's tokens to `kept` when the document cache did not know all of its prefix.
void EngineLoop::keep_prefix(const Pair & pair, std::vector<std::vector<llama_token>> & kept) {
    if (pending_states_ && pair.scored && pair.n_shared < documents_.usable(pair.n_prefix)) {
        pending_states_->write_behind(pair.tokens, pair.n_prefix, pair.pages);
    }
    if (documents_.insert(pair.tokens, pair.n_prefix, pair.pages)) {
        kept.push_back(pair.tokens);
    }
}

// Pairs that came before their document's pages were kept get those while they wait.
void EngineLoop::use_prefix(const std::vector<llama_token> & tokens) {
    const auto [first, last] = pairs_by_key_.equal_range(DocumentCache::key_of(tokens).value_or(0));
    for (auto waiting = first; waiting != last;) {
        const PairId id        = waiting->second;
        Pair &       pair      = pairs_.at(id);
        auto [pages, n_shared] = documents_.find(pair.tokens, pair.n_prefix);
        const bool known       = n_shared == pair.n_tokens();
        if (pair.pages.empty() && n_shared > 0 &&
            (known ? planner_.remove_pair(id.first, id.second) : planner_.warm(id.first, id.second, n_shared))) {
            pair.pages    = std::move(pages);
            pair.n_shared = n_shared;
            waiting       = pairs_by_key_.erase(waiting);
            if (known) {
                known_.push_back(id);
            }
            continue;
        }
        for (const int32_t page : pages) {
            parts_.forward.pages().release(page);
        }
        waiting = std::next(waiting);
    }
}

}  // namespace jina_reranker
