// The planner's rules P1 to P6, by hand and over thousands of random arrivals.

#include "batch-planner.h"
#include "check.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

using namespace jina_reranker;

namespace {

struct Key {
    uint64_t job;
    uint32_t pair;

    bool operator<(const Key & other) const {
        return std::make_pair(job, pair) < std::make_pair(other.job, other.pair);
    }
};

// Follows every pair through the plans and checks what must hold for each of them.
class Witness {
  public:
    explicit Witness(PlannerLimits limits) : limits_(limits) {}

    void add(uint64_t job, uint32_t pair, int32_t n_tokens, int32_t n_cached = 0, int32_t n_restored = 0) {
        lengths_[{ job, pair }]  = n_tokens;
        done_[{ job, pair }]     = n_cached;
        cached_[{ job, pair }]   = n_cached;
        restored_[{ job, pair }] = std::max(n_cached, n_restored);
    }

    bool is_untouched(uint64_t job, uint32_t pair) const {
        const auto done = done_.find({ job, pair });
        return lengths_.count({ job, pair }) == 1 && done != done_.end() && done->second == 0;
    }

    void remove(uint64_t job) {
        for (auto entry = lengths_.begin(); entry != lengths_.end();) {
            entry = entry->first.job == job ? lengths_.erase(entry) : std::next(entry);
        }
        if (partial_ && partial_->job == job) {
            partial_.reset();
        }
    }

    void see(const Plan & plan) {
        int32_t n_tokens    = 0;
        int32_t n_last      = 0;
        int32_t n_open      = 0;
        double  work        = 0;
        int32_t n_cells     = partial_ ? done_[*partial_] : 0;
        int32_t n_restoring = n_cells;
        bool    continues   = false;
        for (size_t i = 0; i < plan.slices.size(); ++i) {
            const PlannedSlice & slice = plan.slices[i];
            const Key            key{ slice.job, slice.pair };
            CHECK(lengths_.count(key) == 1);  // waiting, not removed, not done before
            CHECK_EQUAL(slice.begin, done_[key]);
            CHECK(slice.end > slice.begin);
            CHECK(slice.begin % limits_.alignment == 0);
            CHECK(slice.last == (slice.end == lengths_[key]));
            CHECK((slice.end - slice.begin + slice.n_padding) % limits_.alignment == 0);
            CHECK(slice.n_padding >= 0 && slice.n_padding < limits_.alignment);
            CHECK(slice.last || slice.n_padding == 0);
            CHECK(slice.restored == (cached_[key] > 0 && slice.begin == cached_[key]));
            const bool continued = slice.begin > 0 && !slice.restored;
            CHECK(!continued || i == 0);  // a continued pair comes first
            CHECK(slice.last || i == 0);  // and so does one left open
            continues = continues || continued;
            CHECK(!continued || (partial_ && slice.job == partial_->job && slice.pair == partial_->pair));
            CHECK(!(continues && slice.restored));  // P5
            // All is restored before the decode, one after another, whole and then cut to what is used.
            if (slice.restored) {
                CHECK(n_restoring + restored_[key] <= limits_.n_cells);
                n_restoring += slice.begin;
            }
            n_cells += slice.end - slice.begin + slice.n_padding + (slice.restored ? slice.begin : 0);
            done_[key]   = slice.end;
            cached_[key] = 0;
            n_tokens += slice.end - slice.begin + slice.n_padding;
            n_last += slice.last ? 1 : 0;
            work += limits_.token_work.of(slice.begin, slice.end);
            n_open += slice.last ? 0 : 1;
            if (slice.last) {
                lengths_.erase(key);
            }
        }
        CHECK_EQUAL(plan.n_tokens, n_tokens);
        CHECK_EQUAL(plan.n_last, n_last);
        CHECK(std::abs(plan.work - work) < 1e-6 * work + 1e-9);
        CHECK(n_tokens <= limits_.n_batch);
        // A partial pair keeps its sequence also in a decode that leaves it out.
        const size_t n_kept = partial_ && !continues ? 1 : 0;
        CHECK(plan.slices.size() + n_kept <= static_cast<size_t>(limits_.n_seq_max));
        CHECK(n_cells <= limits_.n_cells);
        const int64_t n_attended = int64_t{ n_tokens } * n_cells;
        CHECK(n_attended <= limits_.n_attention || n_tokens <= std::max(limits_.alignment, 1));
        // P5: beside a pair left open or continued, no other is restored.
        const bool has_partial = n_open > 0 || continues;
        for (size_t i = 1; i < plan.slices.size(); ++i) {
            CHECK(!has_partial || !plan.slices[i].restored);
        }
        CHECK(n_open <= 1);
        CHECK(n_open == 0 || continues || !partial_);  // at most one partial pair
        if (n_open == 1) {
            partial_ = Key{ plan.slices[0].job, plan.slices[0].pair };
        } else if (continues) {
            partial_.reset();
        }
    }

    bool all_done() const { return lengths_.empty(); }

  private:
    PlannerLimits          limits_;
    std::map<Key, int32_t> lengths_;
    std::map<Key, int32_t> done_;
    std::map<Key, int32_t> cached_;
    std::map<Key, int32_t> restored_;
    std::optional<Key>     partial_;
};

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

void lets_a_short_job_pass_beside_a_long_pair() {
    BatchPlanner planner({ 64, 8, 8 });
    planner.add_pair(1, 0, 1000);
    planner.next();
    planner.add_pair(2, 0, 20);
    const Plan plan = planner.next();
    CHECK_EQUAL(plan.slices.size(), 2U);
    CHECK_EQUAL(plan.slices[0].job, 1U);
    CHECK_EQUAL(plan.slices[1].job, 2U);
    CHECK(plan.slices[1].last);
    CHECK_EQUAL(plan.n_tokens, 64);
}

void serves_a_late_short_job_before_the_rest_of_a_large_one() {
    BatchPlanner planner({ 64, 8, 8 });
    for (uint32_t pair = 0; pair < 100; ++pair) {
        planner.add_pair(1, pair, 16);
    }
    planner.next();
    for (uint32_t pair = 0; pair < 2; ++pair) {
        planner.add_pair(2, pair, 16);
    }
    const Plan plan = planner.next();
    CHECK_EQUAL(
        std::count_if(plan.slices.begin(), plan.slices.end(), [](const auto & slice) { return slice.job == 2; }), 2);
}

void serves_a_large_job_among_ever_new_short_ones() {
    BatchPlanner planner({ 64, 8, 8 });
    for (uint32_t pair = 0; pair < 20; ++pair) {
        planner.add_pair(1, pair, 16);
    }
    // They would fill every batch.
    int      n_left = 20;
    uint64_t newest = 1;
    for (int batch = 0; n_left > 0 && batch < 100; ++batch) {
        for (int32_t i = 0; i < 2; ++i) {
            planner.add_pair(++newest, 0, 32);
        }
        for (const PlannedSlice & slice : planner.next().slices) {
            n_left -= slice.job == 1 ? 1 : 0;
            if (slice.job != 1) {
                planner.remove_job(slice.job);
            }
        }
    }
    CHECK_EQUAL(n_left, 0);
}

// 50 clients, each with one request at a time: 44 of five short documents, 6 of one that fills the context.
void serves_short_and_long_jobs_beside_each_other() {
    constexpr int                kBatches = 4000;
    BatchPlanner                 planner({ 512, 32, 1, 8192 + 512 });
    std::map<uint64_t, uint32_t> n_left;  // job -> pairs
    std::map<uint64_t, int>      came;
    std::vector<int>             short_waits;  // batches
    std::vector<int>             long_waits;
    uint64_t                     last_job = 0;
    const auto                   add      = [&](uint32_t n_pairs, int32_t n_tokens, int batch) {
        ++last_job;
        n_left[last_job] = n_pairs;
        came[last_job]   = batch;
        for (uint32_t pair = 0; pair < n_pairs; ++pair) {
            planner.add_pair(last_job, pair, n_tokens);
        }
    };
    for (int i = 0; i < 50; ++i) {
        i < 44 ? add(5, 45, 0) : add(1, 8192, 0);
    }
    for (int batch = 0; batch < kBatches; ++batch) {
        for (const PlannedSlice & slice : planner.next().slices) {
            if (slice.last && --n_left[slice.job] == 0) {
                const bool is_long = slice.end == 8192;
                (is_long ? long_waits : short_waits).push_back(batch + 1 - came[slice.job]);
                planner.remove_job(slice.job);
                is_long ? add(1, 8192, batch + 1) : add(5, 45, batch + 1);
            }
        }
    }
    const int longest_short = *std::max_element(short_waits.begin(), short_waits.end());
    CHECK(longest_short <=
          35);  // all short ones together are 20 batches; 31 are measured, 48 where a long pair gets half
    CHECK(long_waits.size() >= size_t{ 6 } * (kBatches / 500 - 1));
    CHECK(!long_waits.empty() && *std::max_element(long_waits.begin(), long_waits.end()) <= 500);
}

void gives_a_job_of_lower_priority_less_but_not_nothing() {
    BatchPlanner planner({ 64, 8, 8 });
    for (uint32_t pair = 0; pair < 100; ++pair) {
        planner.add_pair(1, pair, 16, 0, 0, 4);
        planner.add_pair(2, pair, 16);
    }
    int n_costly = 0;
    int n_cheap  = 0;
    for (int batch = 0; batch < 20; ++batch) {
        for (const PlannedSlice & slice : planner.next().slices) {
            (slice.job == 1 ? n_costly : n_cheap) += 1;
        }
    }
    CHECK_EQUAL(n_costly + n_cheap, 80);
    CHECK_EQUAL(n_costly, 16);
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
    // Without flash attention and with 3,240 tokens a batch or more, the room is less than what is worth starting beside others.
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

// P6 under limits of every shape, also those that leave no room at all, with entries that are restored whole.
void always_has_work_and_comes_to_an_end() {
    for (uint32_t seed = 0; seed < 2000; ++seed) {
        std::mt19937 random(seed);
        const auto   pick = [&](int32_t low, int32_t high) {
            return std::uniform_int_distribution<int32_t>(low, high)(random);
        };
        const int32_t alignment = seed % 3 == 0 ? 1 : seed % 3 == 1 ? 8 : 16;
        PlannerLimits limits{ alignment * pick(1, 300), pick(1, 20), alignment };
        const int32_t most_tokens = pick(1, 2000);
        limits.n_cells            = most_tokens + alignment + limits.n_batch;
        limits.n_attention        = int64_t{ pick(1, limits.n_batch) } * pick(1, 2 * limits.n_cells);
        BatchPlanner planner(limits);
        Witness      witness(limits);
        int64_t      n_blocks = 0;  // a plan computes at least one of a pair
        for (uint64_t job = 1; job <= 4; ++job) {
            for (uint32_t pair = 0; pair < 5; ++pair) {
                const int32_t n_tokens   = pick(1, most_tokens);
                const int32_t n_cached   = pick(0, 1) * pick(0, (n_tokens - 1) / alignment) * alignment;
                const int32_t n_restored = n_cached > 0 ? pick(n_cached, most_tokens) : 0;
                planner.add_pair(job, pair, n_tokens, n_cached, n_restored);
                witness.add(job, pair, n_tokens, n_cached, n_restored);
                n_blocks += (n_tokens - n_cached + alignment - 1) / alignment;
            }
        }
        for (; !planner.empty() && n_blocks > 0; --n_blocks) {
            const Plan plan = planner.next();
            CHECK(!plan.slices.empty());
            witness.see(plan);
        }
        CHECK(planner.empty());
        CHECK(witness.all_done());
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

void counts_the_attention_of_a_token() {
    const TokenWork none;
    CHECK_EQUAL(none.of(100, 110), 10.0);
    CHECK_EQUAL(none.tokens_within(10.5, 100), 10);
    const TokenWork work(100);
    CHECK_EQUAL(work.of(0, 100), 150.0);  // fifty cells before each in the mean
    CHECK_EQUAL(work.of(100, 200), 250.0);
    for (const int64_t begin : { 0, 1, 64, 8000 }) {
        for (const double most : { 1.0, 16.0, 512.0 }) {
            const int64_t n_tokens = work.tokens_within(most, begin);
            CHECK(work.of(begin, begin + n_tokens) <= most);
            CHECK(work.of(begin, begin + n_tokens + 1) > most);
        }
    }
}

// The end of a long pair costs many times what its start does: beside others it must not cost them more time. Nor does it
// come a few tokens at a time, over which threads and vectors cannot be divided.
void gives_a_long_pair_its_share_of_the_work_in_slices_worth_it() {
    constexpr int32_t kWorthIt = 32;  // tokens
    PlannerLimits     limits{ 512, 64, 1 };
    limits.token_work = TokenWork(100);
    BatchPlanner planner(limits);
    planner.add_pair(1, 0, 8000);
    planner.next();
    double  work     = 0;
    int32_t n_plans  = 0;
    int32_t n_slices = 0;
    for (uint64_t job = 2; job < 400; ++job) {
        for (uint32_t pair = 0; pair < 20; ++pair) {
            planner.add_pair(job, pair, 30);
        }
        const Plan plan = planner.next();
        n_plans += 1;
        for (const PlannedSlice & slice : plan.slices) {
            if (slice.job == 1) {
                CHECK(slice.end - slice.begin >= kWorthIt);
                work += limits.token_work.of(slice.begin, slice.end);
                n_slices += 1;
            }
        }
        CHECK(work <= 256.0 * n_plans);
    }
    CHECK(work >= 128.0 * n_plans - limits.token_work.of(8000 - kWorthIt, 8000));
    CHECK(n_slices > 10 && n_slices < n_plans);
    while (!planner.empty()) {
        CHECK(planner.next().work <= 512 + limits.token_work.of(8000 - kWorthIt, 8000));
    }
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

// What a job would have got of every batch since it came, had all that wait got an equal part (by cost), less what it got.
struct Share {
    double  owed = 0;  // work
    int32_t cost = 1;
};

// Random jobs, lengths and cancellations. Nothing is lost, scored twice, over budget or starved.
void keeps_its_rules_over_random_arrivals() {
    for (uint32_t seed = 0; seed < 400; ++seed) {
        std::mt19937 random(seed);
        const auto   pick = [&](int32_t low, int32_t high) {
            return std::uniform_int_distribution<int32_t>(low, high)(random);
        };
        const int32_t alignment = seed % 3 == 0 ? 1 : seed % 3 == 1 ? 8 : 16;
        PlannerLimits limits{ alignment * pick(4, 40), pick(1, 20), alignment };
        limits.n_cells = std::max(4 * limits.n_batch, limits.n_batch + 64);  // the longest pair and a batch
        if (seed % 7 < 3) {
            limits.token_work = TokenWork(pick(8, 400));
        }
        BatchPlanner                                     planner(limits);
        Witness                                          witness(limits);
        std::map<uint64_t, Share>                        shares;
        std::map<uint64_t, int>                          n_left;  // job -> pairs
        std::map<uint64_t, std::pair<uint32_t, int32_t>> newest;  // job -> its last pair and that one's tokens
        constexpr int32_t                                most_cost = 10;
        // Work: of the longest pair, which a job may get at once, and a batch. Measured over these seeds: 1.4 times that, 2.6 with
        // jobs of different costs; served by age, a job comes to be owed 10 and 13 times.
        const double                                     most_owed =
            (seed % 5 == 0 ? 3.5 : 2) * (limits.token_work.of(0, std::max(40, 3 * limits.n_batch)) + limits.n_batch);
        uint64_t last_job = 0;
        for (int step = 0; step < 200 || !planner.empty(); ++step) {
            if (step < 200 && pick(0, 3) == 0) {
                const uint64_t job     = ++last_job;
                const int32_t  n_pairs = pick(1, 12);
                const int32_t  cost    = seed % 5 == 0 ? pick(1, most_cost) : 1;
                n_left[job]            = n_pairs;
                shares[job].cost       = cost;
                for (int32_t pair = 0; pair < n_pairs; ++pair) {
                    const int32_t n_tokens = pick(0, 4) == 0 ? pick(1, limits.n_batch * 3) : pick(1, 40);
                    const int32_t n_cached =
                        seed % 2 == 0 && pick(0, 2) == 0 ? pick(0, (n_tokens - 1) / alignment) * alignment : 0;
                    planner.add_pair(job, static_cast<uint32_t>(pair), n_tokens, n_cached, 0, cost);
                    newest[job] = { static_cast<uint32_t>(pair), n_tokens };
                    witness.add(job, static_cast<uint32_t>(pair), n_tokens, n_cached);
                }
            }
            if (step < 200 && last_job > 0 && pick(0, 15) == 0) {
                const auto job = static_cast<uint64_t>(pick(1, static_cast<int32_t>(last_job)));
                planner.remove_job(job);
                witness.remove(job);
                n_left.erase(job);
                shares.erase(job);
            }
            if (seed % 4 == 0 && !newest.empty()) {
                const auto & [job, pair]       = *newest.begin();
                const auto & [index, n_tokens] = pair;
                const int32_t n_cached         = pick(0, (n_tokens - 1) / alignment) * alignment;
                const bool    expected         = witness.is_untouched(job, index);
                CHECK_EQUAL(planner.warm(job, index, n_cached, n_cached), expected);
                if (expected) {
                    witness.add(job, index, n_tokens, n_cached);
                }
                newest.erase(newest.begin());
            }
            const bool was_empty = planner.empty();
            const Plan plan      = planner.next();
            CHECK(plan.slices.empty() == was_empty);
            witness.see(plan);
            double n_shares = 0;
            for (const auto & [job, share] : shares) {
                n_shares += 1.0 / share.cost;
            }
            for (auto & [job, share] : shares) {
                share.owed += plan.work / n_shares / share.cost;
            }
            for (const PlannedSlice & slice : plan.slices) {
                shares[slice.job].owed -= limits.token_work.of(slice.begin, slice.end);
                if (slice.last && --n_left[slice.job] == 0) {
                    planner.remove_job(slice.job);
                    n_left.erase(slice.job);
                    shares.erase(slice.job);
                }
            }
            for (const auto & [job, share] : shares) {
                CHECK(share.owed <= most_owed);
            }
        }
        CHECK(witness.all_done());
        CHECK_EQUAL(planner.n_waiting_tokens(), 0);
    }
}

}  // namespace

int main() {
    return check::run({
        { "plans nothing when nothing waits", plans_nothing_when_nothing_waits },
        { "counts the attention of a token", counts_the_attention_of_a_token },
        { "gives a long pair its share of the work in slices worth it",
          gives_a_long_pair_its_share_of_the_work_in_slices_worth_it },
        { "packs pairs of several jobs into one batch", packs_pairs_of_several_jobs_into_one_batch },
        { "spreads a long pair over several batches", spreads_a_long_pair_over_several_batches },
        { "starts a long pair in front of the whole ones", starts_a_long_pair_in_front_of_the_whole_ones },
        { "lets a short job pass beside a long pair", lets_a_short_job_pass_beside_a_long_pair },
        { "serves a late short job before the rest of a large one",
          serves_a_late_short_job_before_the_rest_of_a_large_one },
        { "serves a large job among ever new short ones", serves_a_large_job_among_ever_new_short_ones },
        { "serves short and long jobs beside each other", serves_short_and_long_jobs_beside_each_other },
        { "gives a job of lower priority less, but not nothing", gives_a_job_of_lower_priority_less_but_not_nothing },
        { "warms a pair that waits", warms_a_pair_that_waits },
        { "keeps warm pairs out of batches that continue a long one",
          keeps_warm_pairs_out_of_batches_that_continue_a_long_one },
        { "takes fewer tokens the more cells a long pair has", takes_fewer_tokens_the_more_cells_a_long_pair_has },
        { "starts a long pair where attention leaves little room",
          starts_a_long_pair_where_attention_leaves_little_room },
        { "always has work and comes to an end", always_has_work_and_comes_to_an_end },
        { "restores no more than the cells hold", restores_no_more_than_the_cells_hold },
        { "leaves room for an entry that is restored whole", leaves_room_for_an_entry_that_is_restored_whole },
        { "tells when a removed job was partial", tells_when_a_removed_job_was_partial },
        { "refuses limits that cannot work", refuses_limits_that_cannot_work },
        { "keeps its rules over random arrivals", keeps_its_rules_over_random_arrivals },
    });
}
