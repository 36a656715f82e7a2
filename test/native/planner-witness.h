#pragma once

// Follows every pair through the planner's plans and checks what rules P1 and P2 (batch-planner.h) promise for each of them.

#include "batch-planner.h"
#include "batch-shape.h"
#include "check.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

class PlannerWitness {
  public:
    explicit PlannerWitness(jina_reranker::PlannerLimits limits) : limits_(limits) {}

    void add(uint64_t job, uint32_t pair, int32_t n_tokens, int32_t n_cached = 0) {
        lengths_[{ job, pair }] = n_tokens;
        done_[{ job, pair }]    = n_cached;
        cached_[{ job, pair }]  = n_cached;
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

    void see(const jina_reranker::Plan & plan) {
        int32_t n_tokens  = 0;
        int32_t n_last    = 0;
        int32_t n_open    = 0;
        int32_t n_cells   = 0;
        double  work      = 0;
        int32_t n_pages   = partial_ ? own_pages(*partial_) : 0;
        bool    continues = false;
        for (size_t i = 0; i < plan.slices.size(); ++i) {
            const jina_reranker::PlannedSlice & slice = plan.slices[i];
            const Key                           key{ slice.job, slice.pair };
            CHECK(lengths_.count(key) == 1);  // waiting, not removed, not done before
            CHECK_EQUAL(slice.begin, done_[key]);
            CHECK(slice.end > slice.begin);
            CHECK(slice.last == (slice.end == lengths_[key]));
            CHECK(slice.restored == (cached_[key] > 0 && slice.begin == cached_[key]));
            const bool continued = partial_ && *partial_ == key;
            CHECK(!continued || i == 0);  // a continued pair comes first
            CHECK(slice.last || i == 0);  // and so does one left open
            CHECK(continued || slice.begin == cached_[key]);
            continues = continues || continued;
            n_pages -= continued ? own_pages(key) : 0;
            done_[key] = slice.end;
            n_pages += own_pages(key);
            n_tokens += slice.end - slice.begin;
            n_last += slice.last ? 1 : 0;
            n_cells += jina_reranker::padded_cells(slice.end);
            work += limits_.token_work.of(slice.begin, slice.end);
            n_open += slice.last ? 0 : 1;
            if (slice.last) {
                lengths_.erase(key);
            }
        }
        CHECK_EQUAL(plan.n_tokens, n_tokens);
        CHECK_EQUAL(plan.n_last, n_last);
        CHECK_EQUAL(plan.n_cells, n_cells);
        CHECK(n_cells <= limits_.n_cells);
        CHECK(std::abs(plan.work - work) < 1e-6 * work + 1e-9);
        CHECK(n_tokens <= limits_.n_batch);
        CHECK(plan.slices.size() <= static_cast<size_t>(limits_.n_pairs));
        CHECK(n_pages <= limits_.n_pages);
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
    struct Key {
        uint64_t job;
        uint32_t pair;

        bool operator<(const Key & other) const {
            return std::make_pair(job, pair) < std::make_pair(other.job, other.pair);
        }

        bool operator==(const Key & other) const { return job == other.job && pair == other.pair; }
    };

    // Pages of a pair that are not the document cache's.
    int32_t own_pages(const Key & key) { return jina_reranker::pages_of(done_[key] - cached_[key]); }

    jina_reranker::PlannerLimits limits_;
    std::map<Key, int32_t>       lengths_;
    std::map<Key, int32_t>       done_;
    std::map<Key, int32_t>       cached_;
    std::optional<Key>           partial_;
};
