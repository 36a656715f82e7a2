#include "job-queue.h"

#include "kv-pages.h"
#include "score-head.h"
#include "text-pieces.h"

#include <algorithm>
#include <cmath>

namespace jina_reranker {

namespace {

// Tokenized in one piece: within 3 ms.
bool is_short(const Job & job, uint32_t document) {
    const Content & content = job.request.documents[document];
    return image_of(content) != nullptr || std::get<std::string>(content).size() <= kPieceBytes;
}

double ms_between(Clock::time_point from, Clock::time_point to) {
    return std::chrono::duration<double, std::milli>(to - from).count();
}

}  // namespace

std::vector<JobQueue::PairImage> JobQueue::images_of(Job & job, uint32_t document) const {
    std::vector<PairImage> images;
    const RequestImage *   of_document = image_of(job.request.documents[document]);
    const RequestImage *   of_query    = job.request.query ? image_of(*job.request.query) : nullptr;
    if (of_document != nullptr) {
        images.push_back({ *of_document, true });
    }
    if (of_query != nullptr && (of_document == nullptr || of_document->token != of_query->token)) {
        images.push_back({ *of_query, !job.query_given });
        job.query_given = true;
    }
    return images;
}

void JobQueue::recount(Job & job, Load more, Load less) {
    const Load before    = job.waiting;
    job.waiting          = { before.n_tokens + more.n_tokens - std::min(before.n_tokens + more.n_tokens, less.n_tokens),
                             std::max(0.0, before.work + more.work - less.work) };
    stats_.tokens_queued = stats_.tokens_queued - before.n_tokens + job.waiting.n_tokens;
    // Sums of rounded numbers drift: where no token waits, the work is 0.
    stats_.work_queued =
        stats_.tokens_queued == 0 ? 0 : std::max(0.0, stats_.work_queued - before.work + job.waiting.work);
}

uint64_t JobQueue::push(ScoreRequest request, JobCallback on_done) {
    const size_t n_pairs = request.documents.size();
    const auto   job     = std::make_shared<Job>(std::move(request), std::move(on_done), limits_.deduplicate);

    const std::lock_guard lock(mutex_);
    if (closed_) {
        throw Error(ErrorCode::closed, "the engine is closed");
    }
    if (stats_.pairs_queued + n_pairs > limits_.max_pairs) {
        throw Error(ErrorCode::queue_full, std::to_string(stats_.pairs_queued) + " of " +
                                               std::to_string(limits_.max_pairs) + " pairs are waiting; " +
                                               std::to_string(n_pairs) + " more do not fit");
    }
    job->id = ++last_id_;
    jobs_.emplace(job->id, job);
    untokenized_.push_back(job);
    stats_.jobs_submitted += 1;
    stats_.pairs_queued += n_pairs;
    for (const uint32_t document : job->distinct) {
        recount(*job, loads_.estimate(job->request, document), {});
        n_short_ += is_short(*job, document) ? 1U : 0U;
    }
    if (job->request.query) {
        recount(*job, { 0, loads_.image_work(*job->request.query) }, {});
    }
    return job->id;
}

JobQueue::Settled JobQueue::settle(std::map<uint64_t, JobPtr>::iterator entry, JobOutcome outcome) {
    JobPtr job = std::move(entry->second);
    jobs_.erase(entry);
    job->settled        = true;
    const size_t n_left = job->request.documents.size() - job->n_done;
    stats_.pairs_queued -= n_left;
    stats_.pairs_dropped += n_left;
    recount(*job, {}, job->waiting);
    if (outcome.result) {
        stats_.jobs_completed += 1;
    } else if (outcome.error->code == ErrorCode::cancelled) {
        stats_.jobs_cancelled += 1;
    } else {
        stats_.jobs_failed += 1;
    }
    for (size_t i = job->n_tokenized; i < job->distinct.size(); ++i) {
        n_short_ -= is_short(*job, job->distinct[i]) ? 1U : 0U;
    }
    untokenized_.erase(std::remove(untokenized_.begin(), untokenized_.end(), job), untokenized_.end());
    const auto of_job = [&](const ReadyPair & pair) {
        return pair.job == job->id;
    };
    for (const ReadyPair & pair : ready_) {
        n_ready_tokens_ -= of_job(pair) ? pair.n_tokens() : 0;
    }
    ready_.erase(std::remove_if(ready_.begin(), ready_.end(), of_job), ready_.end());
    gone_.push_back(job->id);
    engine_wakes_.notify_one();
    return { std::move(job), std::move(outcome) };
}

JobQueue::Settled JobQueue::settle(std::map<uint64_t, JobPtr>::iterator entry) {
    Job &         job    = *entry->second;
    ScoreResult & result = job.result;
    for (uint32_t i = 0; i < result.logits.size(); ++i) {
        if (std::isnan(result.logits[i])) {
            result.unscored.push_back(i);
            result.prompt_tokens[i]  = 0;
            result.dropped_tokens[i] = 0;
        }
    }
    const auto now    = Clock::now();
    const auto start  = job.first_batch.value_or(now);
    result.queue_ms   = ms_between(job.submitted, start);
    result.compute_ms = ms_between(start, now);
    result.total_ms   = ms_between(job.submitted, now);
    return settle(entry, { std::move(result), std::nullopt });
}

void JobQueue::finish(std::vector<Settled> && settled) {
    for (auto & [job, outcome] : settled) {
        const JobCallback on_done = std::move(job->on_done);
        on_done(std::move(outcome));
    }
}

bool JobQueue::fail(uint64_t id, const Error & error) {
    std::vector<Settled> settled;
    {
        const std::lock_guard lock(mutex_);
        if (const auto entry = jobs_.find(id); entry != jobs_.end()) {
            settled.push_back(settle(entry, { std::nullopt, error }));
        }
    }
    const bool was_unfinished = !settled.empty();
    finish(std::move(settled));
    return was_unfinished;
}

bool JobQueue::cancel(uint64_t id) {
    return fail(id, Error(ErrorCode::cancelled, "the job was cancelled"));
}

bool JobQueue::stop(uint64_t id) {
    std::vector<Settled> settled;
    {
        const std::lock_guard lock(mutex_);
        if (const auto entry = jobs_.find(id); entry != jobs_.end()) {
            settled.push_back(settle(entry));
        }
    }
    const bool was_unfinished = !settled.empty();
    finish(std::move(settled));
    return was_unfinished;
}

void JobQueue::close() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    fail_all(Error(ErrorCode::closed, "the engine was closed"));
}

void JobQueue::fail_all(const Error & error) {
    std::vector<Settled> settled;
    {
        const std::lock_guard lock(mutex_);
        // First, because settle() searches these for each job: with many jobs that would take quadratic time.
        untokenized_.clear();
        ready_.clear();
        n_ready_tokens_ = 0;
        while (!jobs_.empty()) {
            settled.push_back(settle(jobs_.begin(), { std::nullopt, error }));
        }
        engine_wakes_.notify_all();
    }
    finish(std::move(settled));
}

bool JobQueue::closed() const {
    const std::lock_guard lock(mutex_);
    return closed_;
}

std::optional<JobQueue::Document> JobQueue::take_document() {
    const std::lock_guard lock(mutex_);
    if (untokenized_.empty()) {
        return std::nullopt;
    }
    JobPtr job = std::move(untokenized_.front());
    untokenized_.pop_front();
    const uint32_t index = job->distinct[job->n_tokenized++];
    if (job->n_tokenized < job->distinct.size()) {
        untokenized_.push_back(job);
    }
    return Document{ std::move(job), index };
}

void JobQueue::give_prompt(const Document & document, Prompt prompt, std::optional<float> logit, double tokenize_ms) {
    std::vector<Settled> settled;
    {
        const std::lock_guard lock(mutex_);
        n_short_ -= is_short(*document.job, document.index) ? 1U : 0U;
        if (const auto entry = jobs_.find(document.job->id); entry != jobs_.end()) {
            Job &         job    = *document.job;
            ScoreResult & result = job.result;
            ReadyPair     pair{ job.id,
                            document.index,
                            std::move(prompt.tokens),
                            prompt.n_prefix,
                            job.request.query.has_value(),
                            job.request.priority,
                            {} };
            for (size_t i = document.index; i < job.first_of.size(); ++i) {
                if (job.first_of[i] == document.index) {
                    result.prompt_tokens[i]  = static_cast<uint32_t>(pair.n_tokens());
                    result.dropped_tokens[i] = prompt.n_dropped;
                }
            }
            result.tokenize_ms += tokenize_ms;
            Load counted = loads_.of(0, pair.n_tokens());
            counted.work += loads_.image_work(job.request.documents[document.index]);
            // A prefix that fills no page is not kept, so there is nothing to compute.
            const bool done = logit || (!pair.scored && pair.n_prefix < kPageTokens);
            recount(job, done ? Load{} : counted, loads_.estimate(job.request, document.index));
            if (done) {
                stats_.work_done += counted.work;
                result.n_reused += logit ? static_cast<uint64_t>(pair.n_tokens()) : 0;
                score(entry, { job.id, document.index, logit, limits_.stores }, settled);
            } else {
                n_ready_tokens_ += pair.n_tokens();
                pair.images = images_of(job, document.index);
                ready_.push_back(std::move(pair));
            }
        }
        engine_wakes_.notify_one();
    }
    finish(std::move(settled));
}

void JobQueue::wake() {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    engine_wakes_.notify_one();
}

JobQueue::Work JobQueue::take_work(int64_t have_tokens, int64_t enough_tokens, const std::optional<Reads> & reads) {
    std::unique_lock lock(mutex_);
    const auto       has_tokens = [&] {
        return have_tokens + n_ready_tokens_ > 0;
    };
    const auto is_urgent = [&] {
        return closed_ || woken_ || !gone_.empty() || have_tokens + n_ready_tokens_ >= enough_tokens;
    };
    const auto is_there = [&] {
        return is_urgent() || has_tokens();
    };
    if (reads) {
        const auto until = have_tokens > 0 ? std::min(reads->soon, reads->latest) : reads->latest;
        engine_wakes_.wait_until(lock, until, [&] { return is_urgent() || !ready_.empty(); });
    } else {
        engine_wakes_.wait(lock, is_there);
    }
    if (!reads || !ready_.empty()) {
        engine_wakes_.wait_for(lock, limits_.patience, [&] { return is_urgent() || (has_tokens() && n_short_ == 0); });
    }
    Work work;
    woken_ = false;
    work.pairs.swap(ready_);
    work.gone.swap(gone_);
    work.closed     = closed_;
    n_ready_tokens_ = 0;
    return work;
}

void JobQueue::begin_batch(const std::vector<uint64_t> & jobs) {
    const auto            now = Clock::now();
    const std::lock_guard lock(mutex_);
    for (const uint64_t id : jobs) {
        if (const auto entry = jobs_.find(id); entry != jobs_.end() && !entry->second->first_batch) {
            entry->second->first_batch = now;
        }
    }
}

void JobQueue::add_tokens(uint64_t job, int32_t begin, int32_t end, bool restored) {
    const Load            done = loads_.of(restored ? 0 : begin, end);
    const std::lock_guard lock(mutex_);
    stats_.work_done += done.work;
    if (const auto entry = jobs_.find(job); entry != jobs_.end()) {
        entry->second->result.n_computed += static_cast<uint64_t>(end - begin);
        entry->second->result.n_reused += static_cast<uint64_t>(restored ? begin : 0);
        recount(*entry->second, {}, done);
    }
}

void JobQueue::add_image_work(uint64_t job, double work) {
    const std::lock_guard lock(mutex_);
    stats_.work_done += work;
    if (const auto entry = jobs_.find(job); entry != jobs_.end()) {
        recount(*entry->second, {}, { 0, work });
    }
}

void JobQueue::add_encoded(uint64_t job) {
    const std::lock_guard lock(mutex_);
    if (const auto entry = jobs_.find(job); entry != jobs_.end()) {
        entry->second->result.n_encoded += 1;
    }
}

void JobQueue::score(std::map<uint64_t, JobPtr>::iterator entry, const Score & score, std::vector<Settled> & settled) {
    Job & job   = *entry->second;
    float value = 0;
    try {
        value = score.logit ? score_of_logit(*score.logit) : 0;
    } catch (const Error & error) {
        settled.push_back(settle(entry, { std::nullopt, error }));
        return;
    }
    for (size_t i = score.index; i < job.first_of.size(); ++i) {
        if (job.first_of[i] != score.index) {
            continue;
        }
        if (score.logit) {
            job.result.logits[i] = *score.logit;
            job.result.scores[i] = value;
        }
        job.n_done += 1;
        (score.logit ? stats_.pairs_scored : stats_.documents_kept) += 1;
        job.result.n_stored += !score.logit && score.stored ? 1U : 0U;
        stats_.pairs_queued -= 1;
    }
    if (job.n_done == job.request.documents.size()) {
        settled.push_back(settle(entry));
    }
}

void JobQueue::give_scores(const std::vector<Score> & scores) {
    std::vector<Settled> settled;
    {
        const std::lock_guard lock(mutex_);
        for (const Score & score : scores) {
            if (const auto entry = jobs_.find(score.job); entry != jobs_.end()) {
                this->score(entry, score, settled);
            }
        }
    }
    finish(std::move(settled));
}

void JobQueue::count(EngineStats & stats) const {
    const std::lock_guard lock(mutex_);
    stats.jobs_submitted = stats_.jobs_submitted;
    stats.jobs_completed = stats_.jobs_completed;
    stats.jobs_failed    = stats_.jobs_failed;
    stats.jobs_cancelled = stats_.jobs_cancelled;
    stats.pairs_scored   = stats_.pairs_scored;
    stats.pairs_dropped  = stats_.pairs_dropped;
    stats.documents_kept = stats_.documents_kept;
    stats.pairs_queued   = stats_.pairs_queued;
    stats.tokens_queued  = stats_.tokens_queued;
    stats.work_queued    = stats_.work_queued;
    stats.work_done      = stats_.work_done;
}

}  // namespace jina_reranker
