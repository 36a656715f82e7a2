// Images among the pairs: their steps take turns with batches (P3), one image at a time (P5).

#include "batch-planner.h"
#include "check.h"

#include <map>
#include <optional>
#include <random>
#include <utility>

using namespace jina_reranker;

namespace {

constexpr double kStepWork = 8;

void plans_an_image_step_by_step() {
    BatchPlanner planner({ 64, 8 });
    planner.add_image(1, -1, 3, kStepWork);
    CHECK_EQUAL(planner.n_waiting(), 3);
    for (int i = 0; i < 3; ++i) {
        const Plan plan = planner.next();
        CHECK(plan.slices.empty());
        CHECK_EQUAL(plan.step.value().job, 1U);
        CHECK_EQUAL(plan.step.value().image, -1);
        CHECK(plan.work == kStepWork);
    }
    CHECK(planner.empty());
    CHECK(!planner.next().step);
}

void computes_a_job_s_pairs_before_its_images() {
    BatchPlanner planner({ 64, 8 });
    planner.add_image(1, -1, 1, kStepWork);
    planner.add_pair(1, 0, 20);
    CHECK_EQUAL(planner.next().slices.size(), 1U);
    CHECK(planner.next().step.has_value());
}

void lets_a_text_pass_beside_images() {
    BatchPlanner planner({ 64, 8 });
    for (int32_t image = -1; image >= -100; --image) {
        planner.add_image(1, image, 10, kStepWork);
    }
    for (int i = 0; i < 5; ++i) {
        planner.next();
    }
    planner.add_pair(2, 0, 30);
    CHECK_EQUAL(planner.next().slices.size(), 1U);  // at once: it is new
    // Then it gets half of the work.
    double of_images = 0;
    double of_texts  = 0;
    for (uint32_t i = 1; i < 200; ++i) {
        planner.add_pair(2, i, 30);
        const Plan plan = planner.next();
        (plan.step ? of_images : of_texts) += plan.work;
    }
    CHECK(of_images > 0.9 * of_texts - 64);
    CHECK(of_texts > 0.9 * of_images - 64);
}

void ends_an_image_before_another_begins() {
    BatchPlanner planner({ 64, 8 });
    planner.add_image(1, -1, 4, kStepWork);
    planner.next();
    planner.add_image(2, -2, 1, kStepWork);  // new, so its job is the next by P3
    for (int i = 0; i < 3; ++i) {
        CHECK_EQUAL(planner.next().step.value().image, -1);
    }
    CHECK_EQUAL(planner.next().step.value().image, -2);
}

void goes_on_with_a_begun_image_for_another_job() {
    BatchPlanner planner({ 64, 8 });
    planner.add_image(1, -1, 4, kStepWork);
    planner.next();
    planner.add_image(2, -2, 1, kStepWork);
    planner.hand_over(1, -1, 2);
    planner.remove_job(1);
    CHECK_EQUAL(planner.n_waiting(), 4);
    for (int i = 0; i < 3; ++i) {
        const Plan plan = planner.next();
        CHECK_EQUAL(plan.step.value().job, 2U);
        CHECK_EQUAL(plan.step.value().image, -1);
    }
    CHECK_EQUAL(planner.next().step.value().image, -2);
    CHECK(planner.empty());
}

// As when its last step failed and another job waits for it too.
void hands_nothing_over_of_an_image_that_is_planned_to_its_end() {
    BatchPlanner planner({ 64, 8 });
    planner.add_image(1, -1, 1, kStepWork);
    planner.next();
    planner.hand_over(1, -1, 2);
    CHECK(planner.empty());
    planner.add_image(1, -2, 1, kStepWork);
    planner.add_image(1, -3, 1, kStepWork);
    planner.next();
    planner.hand_over(1, -2, 2);
    planner.remove_job(2);
    CHECK_EQUAL(planner.n_waiting(), 1);
    CHECK_EQUAL(planner.next().step.value().image, -3);
}

void forgets_the_images_of_a_removed_job() {
    BatchPlanner planner({ 64, 8 });
    planner.add_image(1, -1, 4, kStepWork);
    planner.add_image(1, -2, 4, kStepWork);
    planner.next();
    planner.remove_job(1);
    CHECK(planner.empty());
    planner.add_image(2, -3, 2, kStepWork);
    CHECK_EQUAL(planner.next().step.value().image, -3);
}

// Random jobs with images and pairs, some handed over or removed: each step of each image comes once, those of one image without
// another's between, and whoever waits gets its share of work, but for the image of another job that has to be ended first.
void keeps_its_rules_over_random_arrivals() {
    constexpr int32_t kMostSteps = 12;
    constexpr int32_t kBatch     = 64;
    for (uint32_t seed = 0; seed < 300; ++seed) {
        std::mt19937 random(seed);
        const auto   pick = [&](int32_t low, int32_t high) {
            return std::uniform_int_distribution<int32_t>(low, high)(random);
        };
        BatchPlanner                                    planner({ kBatch, 8 });
        std::map<std::pair<uint64_t, int32_t>, int32_t> steps;  // left, of each job's images
        std::map<uint64_t, int32_t>                     pairs;  // left
        std::map<uint64_t, double>                      owed;
        std::optional<int32_t>                          begun;
        uint64_t                                        last_job   = 0;
        int32_t                                         last_image = 0;
        const auto                                      has_work   = [&](uint64_t job) {
            const auto image = steps.lower_bound({ job, INT32_MIN });
            return pairs[job] > 0 || (image != steps.end() && image->first.first == job);
        };
        const auto remove = [&](uint64_t job) {
            planner.remove_job(job);
            owed.erase(job);
            pairs.erase(job);
            for (auto image = steps.lower_bound({ job, INT32_MIN });
                 image != steps.end() && image->first.first == job;) {
                begun = begun == image->first.second ? std::nullopt : begun;
                image = steps.erase(image);
            }
        };
        for (int round = 0; round < 300 || !planner.empty(); ++round) {
            if (round < 300 && pick(0, 5) == 0) {
                const uint64_t job = ++last_job;
                owed[job]          = 0;
                for (int32_t i = pick(0, 3); i > 0; --i) {
                    const int32_t n_steps        = pick(1, kMostSteps);
                    steps[{ job, --last_image }] = n_steps;
                    planner.add_image(job, last_image, n_steps, kStepWork);
                }
                for (int32_t i = pick(0, 6); i > 0; --i) {
                    planner.add_pair(job, static_cast<uint32_t>(pairs[job]++), pick(1, 40));
                }
            }
            if (last_job > 0 && pick(0, 20) == 0) {
                remove(static_cast<uint64_t>(pick(1, static_cast<int32_t>(last_job))));
            }
            if (!steps.empty() && owed.size() > 1 && pick(0, 10) == 0) {
                const auto [from, image] = steps.begin()->first;
                const uint64_t to        = owed.rbegin()->first;
                if (from != to) {
                    planner.hand_over(from, image, to);
                    steps[{ to, image }] = steps.begin()->second;
                    steps.erase(steps.begin());
                }
            }
            const Plan plan = planner.next();
            CHECK(plan.slices.empty() || !plan.step);
            double n_waiting = 0;
            for (const auto & [job, share] : owed) {
                n_waiting += has_work(job) ? 1 : 0;
            }
            for (auto & [job, share] : owed) {
                share += has_work(job) ? plan.work / n_waiting : 0;
            }
            if (plan.step) {
                const auto [job, image] = *plan.step;
                CHECK(!begun || *begun == image);
                const auto left = steps.find({ job, image });
                CHECK(left != steps.end());
                left->second -= 1;
                begun = left->second > 0 ? std::optional(image) : std::nullopt;
                owed[job] -= plan.work;
                if (left->second == 0) {
                    steps.erase(left);
                }
            }
            for (const PlannedSlice & slice : plan.slices) {
                owed[slice.job] -= slice.end - slice.begin;
                pairs[slice.job] -= slice.last ? 1 : 0;
            }
            for (const auto & [job, share] : owed) {
                CHECK(share <= 2 * (kBatch + kMostSteps * kStepWork));
            }
        }
        CHECK(steps.empty());
    }
}

}  // namespace

int main() {
    return check::run({
        { "plans an image step by step", plans_an_image_step_by_step },
        { "computes a job's pairs before its images", computes_a_job_s_pairs_before_its_images },
        { "lets a text pass beside images", lets_a_text_pass_beside_images },
        { "ends an image before another begins", ends_an_image_before_another_begins },
        { "goes on with a begun image for another job", goes_on_with_a_begun_image_for_another_job },
        { "hands nothing over of an image that is planned to its end",
          hands_nothing_over_of_an_image_that_is_planned_to_its_end },
        { "forgets the images of a removed job", forgets_the_images_of_a_removed_job },
        { "keeps its rules over random arrivals", keeps_its_rules_over_random_arrivals },
    });
}
