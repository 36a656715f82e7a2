// The queue's rules Q1 to Q4, with real threads.

#include "check.h"
#include "job-queue.h"
#include "text-pieces.h"
#include "tokenizer-pool.h"

#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <thread>

using namespace jina_reranker;

namespace {

constexpr int32_t kContextSize = 64;

// A request with n distinct documents.
ScoreRequest request(size_t n_documents) {
    ScoreRequest result;
    result.query = "query";
    for (size_t i = 0; i < n_documents; ++i) {
        result.documents.emplace_back("document " + std::to_string(i));
    }
    return result;
}

Prompt prompt(size_t n_tokens) {
    Prompt result;
    result.tokens.assign(n_tokens, 1);
    return result;
}

std::string code_of(const JobOutcome & outcome) {
    return outcome.error ? error_code_name(outcome.error->code) : "result";
}

void refuses_what_does_not_fit_whole() {
    JobQueue queue({ 10, true, kContextSize });
    queue.push(request(8), [](const JobOutcome &) {});
    CHECK_ERROR(queue.push(request(3), [](const JobOutcome &) {}), ErrorCode::queue_full);
    queue.push(request(2), [](const JobOutcome &) {});
    EngineStats stats;
    queue.count(stats);
    CHECK_EQUAL(stats.pairs_queued, 10U);
    CHECK_EQUAL(stats.jobs_submitted, 2U);
    queue.close();
}

void gives_documents_round_robin() {
    JobQueue              queue({ 10, true, kContextSize });
    const uint64_t        a = queue.push(request(2), [](const JobOutcome &) {});
    const uint64_t        b = queue.push(request(2), [](const JobOutcome &) {});
    std::vector<uint64_t> order;
    for (int i = 0; i < 4; ++i) {
        const auto document = queue.take_document();
        order.push_back(document->job->id);
        queue.give_prompt(*document, prompt(5), std::nullopt, 0);
    }
    CHECK((order == std::vector<uint64_t>{ a, b, a, b }));
    queue.close();
}

void answers_a_job_when_its_last_pair_is_scored() {
    JobQueue                  queue({ 10, true, kContextSize });
    std::optional<JobOutcome> outcome;
    const uint64_t            id = queue.push(request(2), [&](JobOutcome got) { outcome = std::move(got); });
    for (int i = 0; i < 2; ++i) {
        const auto document = queue.take_document();
        queue.give_prompt(*document, prompt(5), std::nullopt, 1.5);
    }
    const auto work = queue.take_work(0, 100);
    CHECK_EQUAL(work.pairs.size(), 2U);
    queue.begin_batch({ id });
    queue.add_tokens(id, 5, 15, true);
    queue.give_scores({ { id, 1, 0.0f } });
    CHECK(!outcome.has_value());
    queue.give_scores({ { id, 0, 100.0f } });
    CHECK(outcome.has_value() && outcome->result.has_value());
    CHECK_EQUAL(outcome->result->scores[1], 0.5f);
    CHECK_EQUAL(outcome->result->scores[0], 1.0f);
    CHECK_EQUAL(outcome->result->n_computed, 10U);
    CHECK_EQUAL(outcome->result->n_reused, 5U);
    CHECK_EQUAL(outcome->result->tokenize_ms, 3.0);
    CHECK(outcome->result->total_ms >= outcome->result->compute_ms);
    CHECK(!queue.cancel(id));
}

void computes_every_document_when_told_to() {
    JobQueue queue({ 10, false, kContextSize });
    queue.push({ "query", { "a", "a" }, {}, 0, {} }, [](const JobOutcome &) {});
    CHECK_EQUAL(queue.take_document()->index, 0U);
    CHECK_EQUAL(queue.take_document()->index, 1U);
    queue.close();
}

void settles_a_job_whose_scores_are_known_without_a_batch() {
    JobQueue                  queue({ 10, true, kContextSize });
    std::optional<JobOutcome> outcome;
    queue.push(request(2), [&](JobOutcome got) { outcome = std::move(got); });
    queue.give_prompt(*queue.take_document(), prompt(5), 1.0f, 0);
    CHECK(!outcome);
    queue.give_prompt(*queue.take_document(), prompt(7), -1.0f, 0);
    CHECK(outcome && outcome->result);
    CHECK_EQUAL(outcome->result->logits[1], -1.0f);
    CHECK_EQUAL(outcome->result->n_reused, 12U);
    CHECK_EQUAL(outcome->result->n_computed, 0U);
    queue.close();
}

void computes_documents_of_the_same_text_once() {
    JobQueue                  queue({ 10, true, kContextSize });
    std::optional<JobOutcome> outcome;
    const uint64_t            id = queue.push({ "query", { "a", "b", "a", "a", "b" }, {}, 0, {} },
                                              [&](JobOutcome got) { outcome = std::move(got); });
    for (const uint32_t expected : { 0U, 1U }) {
        const auto document = queue.take_document();
        CHECK_EQUAL(document->index, expected);
        queue.give_prompt(*document, prompt(5 + expected), std::nullopt, 0);
    }
    CHECK_EQUAL(queue.take_work(0, 100).pairs.size(), 2U);
    queue.give_scores({ { id, 0, 1.0f } });
    CHECK(!outcome.has_value());
    queue.give_scores({ { id, 1, 2.0f } });
    CHECK((outcome->result->logits == std::vector<float>{ 1, 2, 1, 1, 2 }));
    CHECK((outcome->result->prompt_tokens == std::vector<uint32_t>{ 5, 6, 5, 5, 6 }));
    EngineStats stats;
    queue.count(stats);
    CHECK_EQUAL(stats.pairs_scored, 5U);
    CHECK_EQUAL(stats.pairs_queued, 0U);
}

void cancels_once_and_counts_what_was_dropped() {
    JobQueue       queue({ 10, true, kContextSize });
    int            n_calls = 0;
    std::string    code;
    const uint64_t id = queue.push(request(4), [&](const JobOutcome & outcome) {
        ++n_calls;
        code = code_of(outcome);
    });
    queue.give_prompt(*queue.take_document(), prompt(5), std::nullopt, 0);
    queue.give_scores({ { id, 0, 1.0f } });
    CHECK(queue.cancel(id));
    CHECK(!queue.cancel(id));
    CHECK_EQUAL(n_calls, 1);
    CHECK_EQUAL(code, "cancelled");
    queue.give_scores({ { id, 1, 1.0f } });  // of a batch that was running: ignored
    EngineStats stats;
    queue.count(stats);
    CHECK_EQUAL(stats.pairs_queued, 0U);
    CHECK_EQUAL(stats.pairs_scored, 1U);
    CHECK_EQUAL(stats.pairs_dropped, 3U);
    CHECK_EQUAL(stats.jobs_cancelled, 1U);
    const auto work = queue.take_work(0, 100);
    CHECK(work.pairs.empty());
    CHECK((work.gone == std::vector<uint64_t>{ id }));
}

void stops_with_the_scores_that_there_are() {
    JobQueue                  queue({ 10, true, kContextSize });
    std::optional<JobOutcome> outcome;
    const uint64_t            id =
        queue.push({ "query", { "a", "b", "a", "c" }, {}, 0, {} }, [&](JobOutcome got) { outcome = std::move(got); });
    for (int i = 0; i < 2; ++i) {
        queue.give_prompt(*queue.take_document(), prompt(5), std::nullopt, 0);
    }
    queue.begin_batch({ id });
    queue.give_scores({ { id, 0, 1.0f } });
    CHECK(!outcome);
    CHECK(queue.stop(id));
    CHECK(!queue.stop(id));
    CHECK(!queue.cancel(id));
    CHECK(outcome && outcome->result);
    const ScoreResult & result = *outcome->result;
    CHECK((result.unscored == std::vector<uint32_t>{ 1, 3 }));
    CHECK(result.logits[0] == 1.0f && result.logits[2] == 1.0f && result.scores[2] > 0.7f);
    CHECK(std::isnan(result.logits[1]) && std::isnan(result.scores[1]) && std::isnan(result.scores[3]));
    CHECK((result.prompt_tokens == std::vector<uint32_t>{ 5, 0, 5, 0 }));
    CHECK(result.total_ms >= result.compute_ms);
    queue.give_scores({ { id, 1, 1.0f } });  // of a batch that was running: ignored
    EngineStats stats;
    queue.count(stats);
    CHECK_EQUAL(stats.pairs_scored, 2U);
    CHECK_EQUAL(stats.pairs_dropped, 2U);
    CHECK_EQUAL(stats.pairs_queued, 0U);
    CHECK_EQUAL(stats.tokens_queued, 0U);
    CHECK_EQUAL(stats.jobs_completed, 1U);
    const auto work = queue.take_work(0, 100);
    CHECK(work.pairs.empty());
    CHECK((work.gone == std::vector<uint64_t>{ id }));
    CHECK(!queue.take_document());
}

void keeps_documents_without_a_score() {
    JobQueue                  queue({ 10, true, kContextSize });
    std::optional<JobOutcome> outcome;
    const std::string         long_one(200, 'b');
    const uint64_t            id   = queue.push({ std::nullopt, { "a", long_one, "a", long_one + "c" }, {}, 0, {} },
                                                [&](JobOutcome got) { outcome = std::move(got); });
    const auto                give = [&](size_t n_tokens) {
        Prompt prefix   = prompt(n_tokens);
        prefix.n_prefix = static_cast<int32_t>(n_tokens) - 1;
        queue.give_prompt(*queue.take_document(), std::move(prefix), std::nullopt, 0);
    };
    give(10);  // less than a page
    give(40);
    give(41);
    const auto work = queue.take_work(0, 1);
    CHECK_EQUAL(work.pairs.size(), 2U);
    CHECK(!work.pairs[0].scored);
    CHECK_EQUAL(work.pairs[0].n_tokens(), 39);
    EngineStats stats;
    queue.count(stats);
    CHECK_EQUAL(stats.documents_kept, 2U);
    CHECK_EQUAL(stats.tokens_queued, 39U + 40U);
    queue.add_tokens(id, 0, 39, false);
    queue.add_tokens(id, 40, 40, true);  // all of it was known
    queue.give_scores({ { id, 1, std::nullopt }, { id, 3, std::nullopt } });
    CHECK(outcome && outcome->result && outcome->result->scores.empty() && outcome->result->unscored.empty());
    CHECK((outcome->result->prompt_tokens == std::vector<uint32_t>{ 9, 39, 9, 40 }));
    CHECK_EQUAL(outcome->result->n_computed, 39U);
    CHECK_EQUAL(outcome->result->n_reused, 40U);
    queue.count(stats);
    CHECK_EQUAL(stats.documents_kept, 4U);
    CHECK_EQUAL(stats.pairs_scored, 0U);
    CHECK_EQUAL(stats.pairs_queued, 0U);
    CHECK_EQUAL(stats.tokens_queued, 0U);
}

void counts_the_work_that_waits_and_is_done() {
    QueueLimits limits{ 10, true, kContextSize };
    limits.token_work = TokenWork(10);  // a token behind ten others costs two
    JobQueue   queue(limits);
    const auto is = [&](double queued, double done) {
        EngineStats stats;
        queue.count(stats);
        return stats.work_queued == queued && stats.work_done == done;
    };
    const uint64_t id = queue.push({ "", { std::string(40, 'a') }, {}, 0, {} }, [](const JobOutcome &) {});
    CHECK(is(20 + 20, 0));  // twenty tokens, behind ten others in the mean
    queue.give_prompt(*queue.take_document(), prompt(60), std::nullopt, 0);
    CHECK(is(60 + 180, 0));
    queue.add_tokens(id, 20, 40, true);
    CHECK(is(20 + 100, 40 + 80));
    queue.add_tokens(id, 40, 50, false);
    CHECK(is(10 + 55, 50 + 125));
    queue.cancel(id);
    CHECK(is(0, 50 + 125));
    queue.push({ "", { "a" }, {}, 0, {} }, [](const JobOutcome &) {});
    queue.give_prompt(*queue.take_document(), prompt(20), 1.0f, 0);  // its score was known
    CHECK(is(0, 50 + 125 + 20 + 20));
    queue.close();
}

void counts_the_tokens_that_wait() {
    JobQueue   queue({ 10, true, kContextSize });
    const auto n_tokens = [&] {
        EngineStats stats;
        queue.count(stats);
        return stats.tokens_queued;
    };
    const std::string four_tokens(16, 'a');
    const uint64_t    id = queue.push({ "", { four_tokens, std::string(1 << 20, 'b'), four_tokens }, {}, 0, {} },
                                      [](const JobOutcome &) {});
    CHECK_EQUAL(n_tokens(), 14U + 64U);  // the third is the first; no pair has more than the context
    queue.give_prompt(*queue.take_document(), prompt(5), std::nullopt, 0);
    CHECK_EQUAL(n_tokens(), 5U + 64U);
    queue.give_prompt(*queue.take_document(), prompt(60), std::nullopt, 0);
    CHECK_EQUAL(n_tokens(), 5U + 60U);
    queue.add_tokens(id, 8, 38, true);  // a slice of the long pair behind a restored prefix
    CHECK_EQUAL(n_tokens(), 27U);
    const uint64_t other = queue.push({ "", { four_tokens }, {}, 0, {} }, [](const JobOutcome &) {});
    CHECK_EQUAL(n_tokens(), 27U + 14U);
    queue.give_prompt(*queue.take_document(), prompt(5), 1.0f, 0);  // its score was known
    CHECK_EQUAL(n_tokens(), 27U);
    CHECK(!queue.cancel(other));
    queue.cancel(id);
    CHECK_EQUAL(n_tokens(), 0U);
    Cut cut;
    cut.max_tokens = 20;
    queue.push({ "", { std::string(1 << 20, 'b') }, cut, 0, {} }, [](const JobOutcome &) {});
    CHECK_EQUAL(n_tokens(), 30U);
    queue.close();
    CHECK_EQUAL(n_tokens(), 0U);
}

constexpr std::chrono::hours kForever{ 1 };

// An engine thread in take_work(): whether it still waits, and the work it got.
class Engine {
  public:
    Engine(JobQueue & queue, int64_t have, int64_t enough) :
        work_(std::async(std::launch::async, [&queue, have, enough] { return queue.take_work(have, enough); })) {}

    bool waits() { return work_.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout; }

    std::optional<JobQueue::Work> work() {
        if (work_.wait_for(std::chrono::seconds(30)) != std::future_status::ready) {
            return std::nullopt;
        }
        return work_.get();
    }

  private:
    std::future<JobQueue::Work> work_;
};

// However long it would wait for short ones.
void does_not_wait_for_long_documents() {
    JobQueue   queue({ 10, true, kContextSize, kForever });
    const auto ignore = [](const JobOutcome &) {
    };
    queue.push({ "query", { std::string(kPieceBytes + 1, 'a'), std::string(kPieceBytes + 2, 'a') }, {}, 0, {} },
               ignore);
    const auto long_one = queue.take_document();  // and keeps it; the other one has no tokenizer
    queue.push(request(1), ignore);
    Engine engine(queue, 0, 100);
    CHECK(engine.waits());
    while (const auto document = queue.take_document()) {
        if (document->job != long_one->job) {
            queue.give_prompt(*document, prompt(5), std::nullopt, 0);
        }
    }
    const auto work = engine.work();
    CHECK(work && work->pairs.size() == 1);
    // Tokens that the caller holds already count like those in the queue.
    Engine     again(queue, 7, 100);
    const auto none = again.work();
    CHECK(none && none->pairs.empty() && !none->closed);
    queue.close();
}

// The first wait ends with the patience.
void does_not_wait_long_for_short_documents() {
    JobQueue queue({ 10, true, kContextSize });
    queue.push(request(2), [](const JobOutcome &) {});
    queue.give_prompt(*queue.take_document(), prompt(5), std::nullopt, 0);
    Engine     engine(queue, 0, 100);
    const auto work = engine.work();
    CHECK(work && work->pairs.size() == 1);
    queue.close();
}

void does_not_wait_for_documents_of_a_job_that_is_gone() {
    JobQueue   queue({ 10, true, kContextSize, kForever });
    const auto ignore = [](const JobOutcome &) {
    };
    const uint64_t id       = queue.push(request(3), ignore);
    const auto     document = queue.take_document();  // two more wait
    queue.cancel(id);
    CHECK(queue.take_work(0, 100).gone == std::vector<uint64_t>{ id });
    queue.give_prompt(*document, prompt(5), std::nullopt, 0);
    queue.push(request(1), ignore);
    queue.give_prompt(*queue.take_document(), prompt(5), std::nullopt, 0);
    Engine     engine(queue, 0, 100);
    const auto work = engine.work();
    CHECK(work && work->pairs.size() == 1);
    queue.close();
}

void waits_for_prompts_that_are_about_to_come() {
    JobQueue queue({ 10, true, kContextSize, kForever });
    queue.push(request(3), [](const JobOutcome &) {});
    Engine engine(queue, 0, 12);
    queue.give_prompt(*queue.take_document(), prompt(5), std::nullopt, 0);
    CHECK(engine.waits());
    queue.give_prompt(*queue.take_document(), prompt(5), std::nullopt, 0);
    CHECK(engine.waits());
    queue.give_prompt(*queue.take_document(), prompt(5), std::nullopt, 0);  // enough, and the last
    const auto work = engine.work();
    CHECK(work && work->pairs.size() == 3);
    queue.close();
}

void wakes_the_engine_when_a_job_goes_away() {
    JobQueue       queue({ 10, true, kContextSize, kForever });
    const uint64_t id       = queue.push(request(2), [](const JobOutcome &) {});
    const auto     document = queue.take_document();
    Engine         engine(queue, 20, 100);
    CHECK(engine.waits());
    CHECK(!document->job->settled);
    queue.cancel(id);
    CHECK(document->job->settled);
    const auto work = engine.work();
    CHECK(work && work->gone == std::vector<uint64_t>{ id });
    queue.give_prompt(*document, prompt(5), std::nullopt, 0);  // thrown away
    Engine closed(queue, 0, 100);
    CHECK(closed.waits());
    queue.close();
    const auto last = closed.work();
    CHECK(last && last->closed && last->pairs.empty());
}

// Takes minutes if settling one job searches all others.
void closes_with_very_many_jobs() {
    constexpr size_t kJobs = 300'000;
    JobQueue         queue({ kJobs, true, kContextSize });
    size_t           n_closed = 0;
    for (size_t i = 0; i < kJobs; ++i) {
        queue.push(request(1), [&](const JobOutcome & outcome) { n_closed += code_of(outcome) == "closed" ? 1U : 0U; });
    }
    for (size_t i = 0; i < kJobs / 2; ++i) {
        queue.give_prompt(*queue.take_document(), prompt(1), std::nullopt, 0);
    }
    queue.close();
    CHECK_EQUAL(n_closed, kJobs);
}

void turns_a_score_that_is_not_a_number_into_an_error() {
    JobQueue       queue({ 10, true, kContextSize });
    std::string    code;
    const uint64_t id = queue.push(request(1), [&](const JobOutcome & outcome) { code = code_of(outcome); });
    queue.give_scores({ { id, 0, std::nanf("") } });
    CHECK_EQUAL(code, "invalid_score");
}

void fails_everything_on_close_and_refuses_afterwards() {
    JobQueue    queue({ 10, true, kContextSize });
    std::string code;
    queue.push(request(1), [&](const JobOutcome & outcome) { code = code_of(outcome); });
    queue.close();
    CHECK_EQUAL(code, "closed");
    CHECK_ERROR(queue.push(request(1), [](const JobOutcome &) {}), ErrorCode::closed);
    CHECK(!queue.take_document().has_value());
    CHECK(queue.take_work(0, 1).closed);
}

// Callers, cancellers, a tokenizer and an engine at once: every job is answered exactly once, every pair counted once.
void settles_every_job_once_under_contention() {
    constexpr int            kJobs = 2000;
    JobQueue                 queue({ 1U << 20, true, kContextSize });
    std::atomic<int>         n_answers{ 0 };
    TokenizerPool::Lane      tokenizers(TokenizerPool::shared(2), [&] {
        if (const auto document = queue.take_document()) {
            queue.give_prompt(*document, prompt(3), std::nullopt, 0);
        }
    });
    std::thread              engine([&] {
        for (bool open = true; open;) {
            const auto                   work = queue.take_work(0, 30);
            std::vector<JobQueue::Score> scores;
            for (const auto & pair : work.pairs) {
                scores.push_back({ pair.job, pair.index, 0.0f });
            }
            queue.give_scores(scores);
            open = !work.closed;
        }
    });
    std::vector<std::thread> callers;
    callers.reserve(4);
    for (int caller = 0; caller < 4; ++caller) {
        callers.emplace_back([&, caller] {
            for (int i = 0; i < kJobs / 4; ++i) {
                const uint64_t id = queue.push(request(3), [&](const JobOutcome &) { ++n_answers; });
                tokenizers.post(3);
                if ((i + caller) % 3 == 0) {
                    i % 2 == 0 ? queue.cancel(id) : queue.stop(id);
                }
            }
        });
    }
    for (auto & caller : callers) {
        caller.join();
    }
    queue.close();
    tokenizers.leave();
    engine.join();
    EngineStats stats;
    queue.count(stats);
    CHECK_EQUAL(n_answers.load(), kJobs);
    CHECK_EQUAL(stats.jobs_completed + stats.jobs_cancelled + stats.jobs_failed, static_cast<uint64_t>(kJobs));
    CHECK_EQUAL(stats.pairs_scored + stats.pairs_dropped, static_cast<uint64_t>(3 * kJobs));
    CHECK_EQUAL(stats.pairs_queued, 0U);
}

}  // namespace

int main() {
    return check::run({
        { "refuses what does not fit whole", refuses_what_does_not_fit_whole },
        { "gives documents to the tokenizer round-robin", gives_documents_round_robin },
        { "answers a job when its last pair is scored", answers_a_job_when_its_last_pair_is_scored },
        { "computes every document when told to", computes_every_document_when_told_to },
        { "settles a job whose scores are known without a batch",
          settles_a_job_whose_scores_are_known_without_a_batch },
        { "computes documents of the same text once", computes_documents_of_the_same_text_once },
        { "cancels once and counts what was dropped", cancels_once_and_counts_what_was_dropped },
        { "stops with the scores that there are", stops_with_the_scores_that_there_are },
        { "keeps documents without a score", keeps_documents_without_a_score },
        { "counts the tokens that wait", counts_the_tokens_that_wait },
        { "counts the work that waits and is done", counts_the_work_that_waits_and_is_done },
        { "does not wait for long documents", does_not_wait_for_long_documents },
        { "does not wait long for short documents", does_not_wait_long_for_short_documents },
        { "does not wait for documents of a job that is gone", does_not_wait_for_documents_of_a_job_that_is_gone },
        { "waits for prompts that are about to come", waits_for_prompts_that_are_about_to_come },
        { "wakes the engine when a job goes away", wakes_the_engine_when_a_job_goes_away },
        { "closes with very many jobs", closes_with_very_many_jobs },
        { "turns a score that is not a number into an error", turns_a_score_that_is_not_a_number_into_an_error },
        { "fails everything on close and refuses afterwards", fails_everything_on_close_and_refuses_afterwards },
        { "settles every job once under contention", settles_every_job_once_under_contention },
    });
}
