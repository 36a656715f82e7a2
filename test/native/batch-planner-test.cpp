// What a batch is packed from: whole pairs, one long pair in slices, warm pairs and the cells they need (P1 to P3, P5).

#include "batch-planner.h"
#include "check.h"

#include <stdexcept>

using namespace jina_reranker;

namespace {

void plans_nothing_when_nothing_waits() {
    BatchPlanner planner({ 64, 4, 8 });
    CHECK(planner.empty());
    CHECK(planner.next().slices.empty());
}

void packs_pairs_of_several_jobs_into_one_batch() {
    BatchPlanner planner({ 64, 8, 8 });
    planner.add_pair(1, 0, 10);
    planner.add_pair(2, 0, 20);
    const Plan plan = planner.next();
    CHECK_EQUAL(plan.slices.size(), 2U);
    CHECK_EQUAL(plan.n_tokens, 16 + 24);
    CHECK_EQUAL(plan.n_last, 2);
    CHECK(planner.empty());
}

void spreads_a_long_pair_over_several_batches() {
    BatchPlanner planner({ 64, 8, 8 });
    planner.add_pair(1, 0, 150);
    Plan plan = planner.next();
    CHECK_EQUAL(plan.slices[0].end, 64);
    CHECK(!plan.slices[0].last);
    plan = planner.next();
    CHECK_EQUAL(plan.slices[0].begin, 64);
    CHECK_EQUAL(plan.slices[0].end, 128);
    plan = planner.next();
    CHECK_EQUAL(plan.slices[0].end, 150);
    CHECK_EQUAL(plan.slices[0].n_padding, 2);
    CHECK(plan.slices[0].last);
}

void starts_a_long_pair_in_front_of_the_whole_ones() {
    BatchPlanner planner({ 64, 8, 8 });
    planner.add_pair(1, 0, 16);
    planner.add_pair(1, 1, 100);
    const Plan plan = planner.next();
    CHECK_EQUAL(plan.slices.size(), 2U);
    CHECK_EQUAL(plan.slices[0].pair, 1U);
    CHECK_EQUAL(plan.slices[0].end, 48);
    CHECK_EQUAL(plan.slices[1].pair, 0U);
}

void warms_a_pair_that_waits() {
    BatchPlanner planner({ 64, 8, 8 });
    planner.add_pair(1, 0, 60);
    planner.add_pair(1, 1, 60);
    CHECK_EQUAL(planner.next().slices.size(), 1U);
    CHECK(!planner.warm(1, 0, 48, 48));  // done
    CHECK(!planner.warm(1, 1, 47, 48));  // not a multiple
    CHECK(planner.warm(1, 1, 48, 48));
    CHECK(!planner.warm(1, 1, 48, 48));
    CHECK_EQUAL(planner.n_waiting_tokens(), 12);
    const Plan plan = planner.next();
    CHECK_EQUAL(plan.slices.size(), 1U);
    CHECK(plan.slices[0].restored);
    CHECK_EQUAL(plan.slices[0].begin, 48);
}

void keeps_warm_pairs_out_of_batches_that_continue_a_long_one() {
    BatchPlanner planner({ 64, 8, 8, 400 });
    planner.add_pair(1, 0, 300);
    planner.next();
    planner.add_pair(1, 1, 40, 24);
    Plan plan = planner.next();
    CHECK_EQUAL(plan.slices.size(), 1U);
    CHECK(!plan.slices[0].restored);
    planner.add_pair(2, 0, 40, 24);  // of a job that was served less: goes first, alone
    plan = planner.next();
    CHECK_EQUAL(plan.slices.size(), 2U);
    CHECK(plan.slices[0].restored && plan.slices[1].restored);
    CHECK_EQUAL(plan.slices[0].begin, 24);
    CHECK_EQUAL(plan.n_tokens, 2 * 16);
    plan = planner.next();
    CHECK_EQUAL(plan.slices[0].begin, 128);
}

void takes_fewer_tokens_the_more_cells_a_long_pair_has() {
    BatchPlanner planner({ 64, 8, 8, 4000, int64_t{ 64 } * 256 });
    planner.add_pair(1, 0, 2000);
    int32_t n_largest = 64;
    int32_t n_tokens  = 0;
    for (int32_t n_cells = 0; !planner.empty(); n_cells += n_tokens) {
        n_tokens = planner.next().n_tokens;
        CHECK(n_tokens <= n_largest);
        CHECK(n_tokens == 8 || n_tokens * (n_cells + n_tokens) <= 64 * 256);
        n_largest = n_tokens;
    }
    CHECK_EQUAL(n_largest, 8);
}

void starts_a_long_pair_where_attention_leaves_little_room() {
    // Without flash attention, 3,240 tokens a batch or more leave less room than what is worth starting beside others.
    for (const PlannerLimits & limits :
         { PlannerLimits{ 4096, 128, 1, 12536, int64_t{ 512 } * 2560 }, PlannerLimits{ 64, 8, 8, 4000, 1 } }) {
        BatchPlanner planner(limits);
        planner.add_pair(1, 0, 3000);
        for (int n_plans = 0; !planner.empty() && n_plans < 1000; ++n_plans) {
            CHECK(!planner.next().slices.empty());
        }
        CHECK(planner.empty());
    }
}

void restores_no_more_than_the_cells_hold() {
    BatchPlanner planner({ 64, 8, 8, 200 });
    for (uint32_t pair = 0; pair < 4; ++pair) {
        planner.add_pair(1, pair, 90, 80);
    }
    CHECK_EQUAL(planner.next().slices.size(), 2U);
    CHECK_EQUAL(planner.next().slices.size(), 2U);
    CHECK(planner.empty());
}

void leaves_room_for_an_entry_that_is_restored_whole() {
    BatchPlanner planner({ 64, 8, 8, 400 });
    planner.add_pair(1, 0, 300);
    planner.next();
    planner.next();  // the partial pair has 128 cells
    planner.add_pair(2, 0, 40, 24, 300);
    Plan plan = planner.next();
    CHECK_EQUAL(plan.slices[0].job, 1U);
    while (!plan.slices[0].last) {
        plan = planner.next();
    }
    CHECK(planner.next().slices[0].restored);
    CHECK(planner.empty());
}

void tells_when_a_removed_job_was_partial() {
    BatchPlanner planner({ 64, 8, 8 });
    planner.add_pair(1, 0, 100);
    planner.add_pair(2, 0, 100);
    planner.next();
    CHECK(!planner.remove_job(2));
    CHECK(planner.remove_job(1));
    CHECK(!planner.remove_job(1));
    CHECK(planner.empty());
}

void refuses_limits_that_cannot_work() {
    for (const PlannerLimits & limits :
         { PlannerLimits{ 60, 4, 8 }, PlannerLimits{ 4, 4, 8 }, PlannerLimits{ 64, 0, 8 } }) {
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
        { "keeps warm pairs out of batches that continue a long one",
          keeps_warm_pairs_out_of_batches_that_continue_a_long_one },
        { "takes fewer tokens the more cells a long pair has", takes_fewer_tokens_the_more_cells_a_long_pair_has },
        { "starts a long pair where attention leaves little room",
          starts_a_long_pair_where_attention_leaves_little_room },
        { "restores no more than the cells hold", restores_no_more_than_the_cells_hold },
        { "leaves room for an entry that is restored whole", leaves_room_for_an_entry_that_is_restored_whole },
        { "tells when a removed job was partial", tells_when_a_removed_job_was_partial },
        { "refuses limits that cannot work", refuses_limits_that_cannot_work },
    });
}
