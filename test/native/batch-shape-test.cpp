// The sizes that batches are padded to on a GPU: few, with bounded waste.

#include "batch-shape.h"
#include "check.h"

#include <algorithm>
#include <set>

using namespace jina_reranker;

namespace {

constexpr int32_t kMost = 70000;

void pads_rows_by_less_than_sixteen_or_an_eighth() {
    CHECK_EQUAL(padded_rows(1), 16);
    CHECK_EQUAL(padded_rows(16), 16);
    CHECK_EQUAL(padded_rows(220), 224);
    CHECK_EQUAL(padded_rows(1500), 1536);
    CHECK_EQUAL(padded_rows(2048), 2048);
    CHECK_EQUAL(padded_rows(2049), 2304);
    for (int32_t n = 1; n <= kMost; ++n) {
        CHECK(padded_rows(n) >= n);
        CHECK(padded_rows(n) >= padded_rows(n - 1));
        CHECK(padded_rows(n) - n < std::max(16, (n + 7) / 8));
        CHECK_EQUAL(padded_rows(padded_rows(n)), padded_rows(n));
    }
}

void pads_cells_by_less_than_a_step_or_an_eighth() {
    CHECK_EQUAL(padded_cells(150), 192);
    CHECK_EQUAL(padded_cells(1025), 1280);
    CHECK_EQUAL(padded_cells(8000), 8192);
    for (int32_t n = 1; n <= kMost; ++n) {
        const int32_t step = n > kShortCells ? kLongCellStep : kCellStep;
        CHECK(padded_cells(n) >= n);
        CHECK(padded_cells(n) - n < std::max(step, (n + 7) / 8));
        CHECK_EQUAL(padded_cells(n) % step, 0);
    }
}

void tells_how_many_tokens_cells_suffice_for() {
    CHECK_EQUAL(tokens_within(63), 0);
    for (int32_t n = kCellStep; n <= kMost; ++n) {
        CHECK(padded_cells(tokens_within(n)) <= n);
        CHECK(padded_cells(tokens_within(n) + 1) > n);
    }
}

void pads_pairs_by_few_cells_or_an_eighth() {
    CHECK_EQUAL(padded_pairs(10, 192), 12);
    CHECK_EQUAL(padded_pairs(3, 8192), 3);
    for (int32_t n_cells = kCellStep; n_cells <= 8192; n_cells += kCellStep) {
        for (int32_t n = 1; n <= 128; ++n) {
            const int32_t more = padded_pairs(n, n_cells) - n;
            CHECK(more >= 0);
            CHECK(more * n_cells < kCellsForPairs || more < (n + 7) / 8);
        }
    }
}

void has_few_sizes() {
    std::set<int32_t> rows;
    std::set<int32_t> cells;
    for (int32_t n = 1; n <= 2048; ++n) {
        rows.insert(padded_rows(n));
    }
    for (int32_t n = 1; n <= 8192; ++n) {
        cells.insert(padded_cells(n));
    }
    CHECK_EQUAL(rows.size(), 40U);
    CHECK_EQUAL(cells.size(), 36U);
}

}  // namespace

int main() {
    return check::run({
        { "pads rows by less than sixteen or an eighth", pads_rows_by_less_than_sixteen_or_an_eighth },
        { "pads cells by less than a step or an eighth", pads_cells_by_less_than_a_step_or_an_eighth },
        { "tells how many tokens cells suffice for", tells_how_many_tokens_cells_suffice_for },
        { "pads pairs by few cells or an eighth", pads_pairs_by_few_cells_or_an_eighth },
        { "has few sizes", has_few_sizes },
    });
}
