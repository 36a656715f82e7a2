// The head against a plain f64 computation, and the sigmoid.

#include "backend.h"
#include "check.h"
#include "error.h"
#include "head-logits.h"
#include "score-head.h"

#include <limits>
#include <random>

using namespace jina_reranker;

namespace {

constexpr int32_t kEmbd = 64;

ggml_backend_dev_t cpu() {
    load_backends(JINA_RERANKER_LIBRARIES);
    return ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
}

std::vector<float> random_floats(size_t n, uint32_t seed) {
    std::mt19937                    random(seed);
    std::normal_distribution<float> normal;
    std::vector<float>              values(n);
    for (float & value : values) {
        value = normal(random);
    }
    return values;
}

HeadWeights random_head() {
    constexpr auto n = static_cast<size_t>(kEmbd);
    HeadWeights    head;
    head.w1         = random_floats(n * n, 1);
    head.b1         = random_floats(n, 2);
    head.w2         = random_floats(n, 3);
    head.b2         = 0.25f;
    head.logit_bias = 2.65f;
    return head;
}

double reference(const HeadWeights & head, const float * hidden) {
    constexpr auto n     = static_cast<size_t>(kEmbd);
    double         logit = static_cast<double>(head.b2) - static_cast<double>(head.logit_bias);
    for (size_t unit = 0; unit < n; ++unit) {
        double sum = static_cast<double>(head.b1[unit]);
        for (size_t input = 0; input < n; ++input) {
            sum += static_cast<double>(hidden[input]) * static_cast<double>(head.w1[input * n + unit]);
        }
        logit += std::max(sum, 0.0) * static_cast<double>(head.w2[unit]);
    }
    return logit;
}

void equals_a_plain_computation_for_any_number_of_rows() {
    const HeadWeights weights = random_head();
    const ScoreHead   head(weights, kEmbd, cpu());
    for (const int32_t n_rows : { 1, 2, 3, 4, 7, 32, 100 }) {
        const auto hidden =
            random_floats(static_cast<size_t>(n_rows) * static_cast<size_t>(kEmbd), static_cast<uint32_t>(n_rows));
        const auto logits = head_logits(head, hidden, n_rows);
        CHECK_EQUAL(logits.size(), static_cast<size_t>(n_rows));
        for (size_t row = 0; row < logits.size(); ++row) {
            const double expected = reference(weights, &hidden[row * static_cast<size_t>(kEmbd)]);
            CHECK(std::abs(static_cast<double>(logits[row]) - expected) < 1e-4 * std::max(1.0, std::abs(expected)));
        }
    }
}

void refuses_weights_that_do_not_fit() {
    HeadWeights head = random_head();
    head.w1.pop_back();
    CHECK_ERROR(ScoreHead(head, kEmbd, cpu()), ErrorCode::head_invalid);
    head    = random_head();
    head.b1 = {};
    CHECK_ERROR(ScoreHead(head, kEmbd, cpu()), ErrorCode::head_invalid);
    head       = random_head();
    head.w2[5] = std::numeric_limits<float>::quiet_NaN();
    CHECK_ERROR(ScoreHead(head, kEmbd, cpu()), ErrorCode::head_invalid);
    head    = random_head();
    head.b2 = std::numeric_limits<float>::infinity();
    CHECK_ERROR(ScoreHead(head, kEmbd, cpu()), ErrorCode::head_invalid);
    // Both are finite; their difference, which is added to every logit, is not.
    head            = random_head();
    head.b2         = std::numeric_limits<float>::max();
    head.logit_bias = -std::numeric_limits<float>::max();
    CHECK_ERROR(ScoreHead(head, kEmbd, cpu()), ErrorCode::head_invalid);
}

void refuses_a_device_that_cannot_compute_it() {
    load_backend({ JINA_RERANKER_FAKE_BACKEND });
    CHECK_ERROR(ScoreHead(random_head(), kEmbd, ggml_backend_dev_by_name("FAKE0")), ErrorCode::backend_unavailable);
}

void normalises_with_a_sigmoid() {
    CHECK_EQUAL(score_of_logit(0.0f), 0.5f);
    CHECK(std::abs(score_of_logit(1.0f) - 0.7310586f) < 1e-7f);
    CHECK(score_of_logit(-20.0f) > 0.0f);
    CHECK_EQUAL(score_of_logit(1000.0f), 1.0f);
    CHECK_EQUAL(score_of_logit(-1000.0f), 0.0f);
    for (const float bad :
         { std::nanf(""), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity() }) {
        CHECK_ERROR(score_of_logit(bad), ErrorCode::invalid_score);
    }
}

}  // namespace

int main() {
    return check::run({
        { "equals a plain computation for any number of rows", equals_a_plain_computation_for_any_number_of_rows },
        { "refuses weights that do not fit", refuses_weights_that_do_not_fit },
        { "refuses a device that cannot compute it", refuses_a_device_that_cannot_compute_it },
        { "normalises with a sigmoid", normalises_with_a_sigmoid },
    });
}
