// What a batch is packed from: whole pairs, one long pair in slices, warm pairs and the pages they need (P1, P2).

#include "batch-planner.h"
#include "check.h"
#include "planner-witness.h"

#include <stdexcept>

using namespace jina_reranker;

namespace {

void plans_nothing_when_nothing_waits() {
    BatchPlanner planner({ 64, 4 });
    CHECK(planner.empty());
    CHECK(planner.next().slices.empty());
}

void packs_pairs_of_several_jobs_into_one_batch() {
    BatchPlanner planner({ 64, 8 });
    planner.add_pair(1, 0, 10);
    planner.add_pair(2, 0, 20);
    const Plan plan = planner.next();
    CHECK_EQUAL(plan.slices.size(), 2U);
    CHECK_EQUAL(plan.n_tokens, 30);
    CHECK_EQUAL(plan.n_last, 2);
    CHECK(planner.empty());
}

void spreads_a_long_pair_over_several_batches() {
    BatchPlanner planner({ 64, 8 });
    planner.add_pair(1, 0, 150);
    Plan plan = planner.next();
    CHECK_EQUAL(plan.slices[0].end, 64);
    CHECK(!plan.slices[0].last);
    plan = planner.next();
    CHECK_EQUAL(plan.slices[0].begin, 64);
    CHECK_EQUAL(plan.slices[0].end, 128);
    plan = planner.next();
    CHECK_EQUAL(plan.slices[0].end, 150);
    CHECK(plan.slices[0].last);
}

void starts_a_long_pair_in_front_of_the_whole_ones() {
    BatchPlanner planner({ 64, 8 });
    planner.add_pair(1, 0, 16);
    planner.add_pair(1, 1, 100);
    const Plan plan = planner.next();
    CHECK_EQUAL(plan.slices.size(), 2U);
    CHECK_EQUAL(plan.slices[0].pair, 1U);
    CHECK_EQUAL(plan.slices[0].end, 48);
    CHECK_EQUAL(plan.slices[1].pair, 0U);
}

void warms_a_pair_that_waits() {
    BatchPlanner planner({ 64, 8 });
    planner.add_pair(1, 0, 60);
    planner.add_pair(1, 1, 60);
    CHECK_EQUAL(planner.next().slices.size(), 1U);
    CHECK(!planner.warm(1, 0, 48));  // done
    CHECK(!planner.warm(1, 1, 64));  // nothing left to compute
    CHECK(planner.warm(1, 1, 48));
    CHECK(!planner.warm(1, 1, 48));
    CHECK_EQUAL(planner.n_waiting(), 12);
    const Plan plan = planner.next();
    CHECK_EQUAL(plan.slices.size(), 1U);
    CHECK(plan.slices[0].restored);
    CHECK_EQUAL(plan.slices[0].begin, 48);
}

void forgets_a_pair_that_waits() {
    BatchPlanner planner({ 64, 8 });
    planner.add_pair(1, 0, 100);
    planner.add_pair(1, 1, 60);
    CHECK(!planner.remove_pair(2, 0));
    CHECK_EQUAL(planner.next().slices.size(), 1U);
    CHECK(!planner.remove_pair(1, 0));  // partial
    CHECK(planner.remove_pair(1, 1));
    CHECK(!planner.remove_pair(1, 1));
    CHECK_EQUAL(planner.n_waiting(), 36);
    CHECK_EQUAL(planner.next().n_tokens, 36);
    CHECK(planner.empty());
}

void takes_warm_pairs_beside_a_long_one() {
    BatchPlanner planner({ 64, 8 });
    planner.add_pair(1, 0, 300);
    planner.next();
    planner.add_pair(2, 0, 40, 32);
    const Plan plan = planner.next();
    CHECK_EQUAL(plan.slices.size(), 2U);
    CHECK_EQUAL(plan.slices[0].begin, 64);
    CHECK(!plan.slices[0].restored);
    CHECK_EQUAL(plan.slices[1].begin, 32);
    CHECK(plan.slices[1].restored);
    CHECK_EQUAL(plan.n_tokens, 64);
}

void counts_pages_that_are_shared_for_nobody() {
    BatchPlanner planner({ 512, 8, pages_of(100) + 4 });
    for (uint32_t pair = 0; pair < 6; ++pair) {
        planner.add_pair(1, pair, 90, 83);  // needs a page of its own for the last seven
    }
    CHECK_EQUAL(planner.next().slices.size(), 6U);
    for (uint32_t pair = 6; pair < 12; ++pair) {
        planner.add_pair(1, pair, 40);  // needs three
    }
    CHECK_EQUAL(planner.next().n_last, 3);
}

// A GPU gathers the K and V that a batch attends to, those of known documents too.
void leaves_pairs_for_later_whose_cells_are_too_many() {
    const PlannerLimits limits{ 512, 8, INT32_MAX, 4096 };
    BatchPlanner        planner(limits);
    PlannerWitness      witness(limits);
    for (uint32_t pair = 0; pair < 5; ++pair) {
        planner.add_pair(1, pair, 1200, 1190);  // 1,280 cells, three times in 4,096
        witness.add(1, pair, 1200, 1190);
    }
    planner.add_pair(1, 5, 200);  // 256 are left
    witness.add(1, 5, 200);
    Plan plan = planner.next();
    witness.see(plan);
    CHECK_EQUAL(plan.n_last, 4);
    CHECK_EQUAL(plan.slices.back().pair, 5U);
    CHECK_EQUAL(plan.n_cells, 4096);
    plan = planner.next();
    witness.see(plan);
    CHECK_EQUAL(plan.n_last, 2);
    CHECK(witness.all_done());
}

void leaves_the_pages_of_the_partial_pair_alone() {
    // Four of eight pages are the partial pair's.
    const PlannerLimits limits{ 64, 8, 8 };
    BatchPlanner        planner(limits);
    PlannerWitness      witness(limits);
    planner.add_pair(1, 0, 128);
    witness.add(1, 0, 128);
    witness.see(planner.next());
    for (uint32_t pair = 0; pair < 4; ++pair) {
        planner.add_pair(2, pair, 32);
        witness.add(2, pair, 32);
    }
    for (int n_plans = 0; !planner.empty() && n_plans < 10; ++n_plans) {
        witness.see(planner.next());
    }
    CHECK(witness.all_done());
}

void forgets_a_job_that_was_partial() {
    BatchPlanner planner({ 64, 8 });
    planner.add_pair(1, 0, 100);
    planner.add_pair(2, 0, 100);
    planner.next();
    planner.remove_job(1);
    CHECK_EQUAL(planner.n_waiting(), 100);
    CHECK_EQUAL(planner.next().slices[0].job, 2U);
    planner.remove_job(2);
    planner.remove_job(2);
    CHECK(planner.empty());
}

void refuses_limits_that_cannot_work() {
    for (const PlannerLimits & limits : { PlannerLimits{ 0, 4, 8 }, PlannerLimits{ 64, 0, 8 },
                                          PlannerLimits{ 64, 4, 0 }, PlannerLimits{ 64, 4, 8, 0 } }) {
        bool thrown = false;
        try {
            const BatchPlanner planner(limits);
        } catch (const std::invalid_argument &) {
            thrown = true;
        }
        CHECK(thrown);
    }
}

}  // namespace

int main() {
    return check::run({
        { "plans nothing when nothing waits", plans_nothing_when_nothing_waits },
        { "packs pairs of several jobs into one batch", packs_pairs_of_several_jobs_into_one_batch },
        { "spreads a long pair over several batches", spreads_a_long_pair_over_several_batches },
        { "starts a long pair in front of the whole ones", starts_a_long_pair_in_front_of_the_whole_ones },
        { "warms a pair that waits", warms_a_pair_that_waits },
        { "forgets a pair that waits", forgets_a_pair_that_waits },
        { "takes warm pairs beside a long one", takes_warm_pairs_beside_a_long_one },
        { "counts pages that are shared for nobody", counts_pages_that_are_shared_for_nobody },
        { "leaves pairs for later whose cells are too many", leaves_pairs_for_later_whose_cells_are_too_many },
        { "leaves the pages of the partial pair alone", leaves_the_pages_of_the_partial_pair_alone },
        { "forgets a job that was partial", forgets_a_job_that_was_partial },
        { "refuses limits that cannot work", refuses_limits_that_cannot_work },
    });
}
