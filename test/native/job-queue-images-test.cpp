// Images in the queue: which are computed once, and what their encoding counts among the work that waits.

#include "check.h"
#include "job-queue.h"

#include <cmath>
#include <memory>
#include <string>

using namespace jina_reranker;

namespace {

constexpr int32_t kContextSize = 1000;
constexpr double  kImageWork   = 3;  // of encoding, for each token
constexpr int32_t kSide        = 4;  // tokens
constexpr int32_t kTokens      = kSide * kSide;
constexpr double  kEncoding    = kImageWork * kTokens;

RequestImage image(int32_t token) {
    auto pixels    = std::make_shared<Image>();
    pixels->width  = kSide * kTokenPixels;
    pixels->height = kSide * kTokenPixels;
    return { pixels, "hash " + std::to_string(token), token };
}

JobQueue queue_of_images() {
    return JobQueue({ 10, true, kContextSize, std::chrono::milliseconds(0), TokenWork(), kImageWork });
}

EngineStats stats_of(const JobQueue & queue) {
    EngineStats stats;
    queue.count(stats);
    return stats;
}

bool is_near(double a, double b) {
    return std::abs(a - b) < 1e-6;
}

// Takes a document and gives it a prompt of n tokens.
void tokenize(JobQueue & queue, size_t n_tokens, std::optional<float> logit = std::nullopt) {
    Prompt prompt;
    prompt.tokens.assign(n_tokens, 1);
    const auto document = queue.take_document();
    queue.give_prompt(*document, std::move(prompt), logit, 0);
}

void computes_the_same_image_once() {
    JobQueue queue = queue_of_images();
    queue.push({ std::string("query"), { image(-1), std::string("hash -1"), image(-2), image(-1) }, {}, 0, {} },
               [](const JobOutcome &) {});
    std::vector<uint32_t> taken;
    while (const auto document = queue.take_document()) {
        taken.push_back(document->index);
    }
    CHECK((taken == std::vector<uint32_t>{ 0, 1, 2 }));
    queue.close();
}

void counts_encoding_until_it_is_done() {
    JobQueue       queue = queue_of_images();
    const uint64_t job =
        queue.push({ std::string(), { image(-1), std::string() }, {}, 0, {} }, [](const JobOutcome &) {});
    const double before = stats_of(queue).work_queued;
    CHECK(is_near(before - kEncoding, static_cast<double>(stats_of(queue).tokens_queued)));
    tokenize(queue, 30);
    tokenize(queue, 12);
    CHECK(is_near(stats_of(queue).work_queued, 30 + 12 + kEncoding));
    const auto work = queue.take_work(0, 1);
    CHECK_EQUAL(work.pairs[0].images.size(), 1U);
    CHECK(work.pairs[0].images[0].counted);
    CHECK(work.pairs[1].images.empty());
    queue.add_image_work(job, kEncoding / 4);
    CHECK(is_near(stats_of(queue).work_queued, 30 + 12 + kEncoding * 3 / 4));
    CHECK(is_near(stats_of(queue).work_done, kEncoding / 4));
    queue.add_image_work(job, kEncoding * 3 / 4);
    queue.add_tokens(job, 0, 30, false);
    queue.add_tokens(job, 0, 12, false);
    CHECK_EQUAL(stats_of(queue).work_queued, 0);
    queue.close();
}

void counts_a_query_s_image_once() {
    JobQueue       queue = queue_of_images();
    const uint64_t job =
        queue.push({ image(-1), { image(-2), std::string(), std::string("b") }, {}, 0, {} }, [](const JobOutcome &) {});
    tokenize(queue, 40);
    tokenize(queue, 20, 0.5f);  // its score is known
    tokenize(queue, 20);
    CHECK(is_near(stats_of(queue).work_queued, 40 + 20 + 2 * kEncoding));
    const auto work = queue.take_work(0, 1);
    CHECK_EQUAL(work.pairs[0].images.size(), 2U);
    CHECK_EQUAL(work.pairs[0].images[0].image.token, -2);
    CHECK(work.pairs[0].images[1].counted);
    CHECK_EQUAL(work.pairs[1].images.size(), 1U);
    CHECK(!work.pairs[1].images[0].counted);
    queue.add_encoded(job);
    queue.add_encoded(job);
    queue.give_scores({ { job, 0, 1.0f }, { job, 2, 1.0f } });
    CHECK_EQUAL(stats_of(queue).work_queued, 0);
    queue.close();
}

void counts_an_image_that_is_query_and_document_once() {
    JobQueue queue = queue_of_images();
    queue.push({ image(-1), { image(-1) }, {}, 0, {} }, [](const JobOutcome &) {});
    tokenize(queue, 40);
    CHECK_EQUAL(queue.take_work(0, 1).pairs[0].images.size(), 1U);
    queue.close();
}

}  // namespace

int main() {
    return check::run({
        { "computes the same image once", computes_the_same_image_once },
        { "counts encoding until it is done", counts_encoding_until_it_is_done },
        { "counts a query's image once", counts_a_query_s_image_once },
        { "counts an image that is query and document once", counts_an_image_that_is_query_and_document_once },
    });
}
