// The batches that a forward pass is tried out with: within the limits of what comes later, and as large as that can be.

#include "batch-shape.h"
#include "check.h"
#include "trial-batches.h"

#include <algorithm>

using namespace jina_reranker;

namespace {

const std::vector<TrialLimits> & all_limits() {
    static const std::vector<TrialLimits> all = {
        { 512, 32, 8192, 0, 0, 3 },
        { 2048, 128, 8192, 8192 + 65536, 0, 3 },
        { 64, 4, 256, 256 + 65536, 0, 3 },
        { 2048, 1, 512, 4096, 8, 3 },
        { 1, 1, 16, 64, 0, 0 },
    };
    return all;
}

int32_t n_tokens(const BatchPair & pair) {
    return pair.n_past + pair.n_rows;
}

void is_within(const Batch & batch, const TrialLimits & limits) {
    CHECK(batch.n_rows() >= 1 && batch.n_rows() <= limits.n_batch);
    CHECK(static_cast<int32_t>(batch.pairs().size()) <= limits.n_pairs);
    int64_t n_cells = 0;
    for (const BatchPair & pair : batch.pairs()) {
        CHECK(pair.n_rows >= 1 && pair.scored);
        CHECK(n_tokens(pair) <= std::max(limits.n_context, pair.n_rows));
        CHECK(std::all_of(pair.pages.begin(), pair.pages.end(), [&](int32_t page) { return page == limits.page; }));
        n_cells += padded_cells(n_tokens(pair));
    }
    // A batch of new rows alone has at least their cells.
    CHECK(limits.n_cells == 0 || n_cells <= std::max<int64_t>(limits.n_cells, padded_cells(limits.n_batch)));
    CHECK_EQUAL(batch.embedded_rows().size(), static_cast<size_t>(limits.n_embd > 0 ? batch.n_rows() : 0));
    CHECK_EQUAL(batch.embeddings().size(), batch.embedded_rows().size() * static_cast<size_t>(limits.n_embd));
}

void stay_within_the_limits() {
    for (const TrialLimits & limits : all_limits()) {
        const TrialBatches trials(limits);
        is_within(trials.end_of_longest(), limits);
        for (const Batch & batch : trials.largest()) {
            is_within(batch, limits);
        }
    }
}

void are_as_large_as_a_batch_can_be() {
    for (const TrialLimits & limits : all_limits()) {
        int32_t longest = 0;
        size_t  most    = 0;
        for (const Batch & batch : TrialBatches(limits).largest()) {
            most = std::max(most, batch.pairs().size());
            for (const BatchPair & pair : batch.pairs()) {
                longest = std::max(longest, n_tokens(pair));
            }
        }
        CHECK_EQUAL(longest, std::max(limits.n_context, limits.n_batch));
        CHECK_EQUAL(most, static_cast<size_t>(std::min(limits.n_pairs, limits.n_batch)));
    }
}

void mix_new_and_known_pairs() {
    const Batch   batch   = TrialBatches({ 2048, 128, 8192, 8192 + 65536, 0, 3 }).mixed(1024);
    const int64_t n_known = std::count_if(batch.pairs().begin(), batch.pairs().end(),
                                          [](const BatchPair & pair) { return pair.n_past > 0; });
    CHECK_EQUAL(batch.n_rows(), 1024);
    CHECK_EQUAL(n_known, 32);
    CHECK_EQUAL(batch.pairs().size(), 36U);
}

}  // namespace

int main() {
    return check::run({
        { "stay within the limits", stay_within_the_limits },
        { "are as large as a batch can be", are_as_large_as_a_batch_can_be },
        { "mix new and known pairs", mix_new_and_known_pairs },
    });
}
