// The document cache: longest shared start, alignment, and the least recently used going first.

#include "check.h"
#include "document-cache.h"

#include <numeric>

using namespace jina_reranker;

namespace {

using Tokens = std::vector<llama_token>;

// n tokens from `first` on; those from `changed` on are others.
Tokens tokens(size_t n, llama_token first, size_t changed = SIZE_MAX) {
    Tokens result(n);
    std::iota(result.begin(), result.end(), first);
    for (size_t i = changed; i < n; ++i) {
        result[i] += 100000;
    }
    return result;
}

std::vector<uint8_t> state(uint8_t mark, size_t n_bytes = 1000) {
    return std::vector<uint8_t>(n_bytes, mark);
}

void finds_the_longest_shared_start() {
    DocumentCache cache(1 << 20, 8);
    cache.insert(tokens(32, 1), state(1));
    cache.insert(tokens(64, 1, 48), state(2));
    const auto match = cache.find(tokens(80, 1));
    CHECK_EQUAL(match.n_tokens, 48);
    CHECK_EQUAL(match.entry->state[0], 2);
    CHECK_EQUAL(cache.find(tokens(80, 1, 40)).n_tokens, 40);
    CHECK_EQUAL(cache.find(tokens(80, 1, 20)).n_tokens, 16);
    CHECK_EQUAL(cache.find(tokens(80, 5000)).n_tokens, 0);
    CHECK(cache.find(tokens(80, 5000)).entry == nullptr);
}

void leaves_an_entry_of_which_little_can_be_used() {
    DocumentCache cache(1 << 20, 8);
    cache.insert(tokens(400, 1), state(1));
    CHECK_EQUAL(cache.find(tokens(500, 1, 50)).n_tokens, 0);
    CHECK_EQUAL(cache.find(tokens(500, 1, 100)).n_tokens, 0);
    CHECK_EQUAL(cache.find(tokens(500, 1, 104)).n_tokens, 104);
}

void leaves_at_least_one_token_to_compute() {
    DocumentCache cache(1 << 20, 8);
    cache.insert(tokens(32, 1), state(1));
    CHECK_EQUAL(cache.find(tokens(32, 1)).n_tokens, 24);
    CHECK_EQUAL(cache.find(tokens(33, 1)).n_tokens, 32);
}

void rounds_down_to_the_alignment_and_keeps_nothing_short() {
    const DocumentCache cache(1 << 20, 8);
    CHECK_EQUAL(cache.usable(47), 40);
    CHECK_EQUAL(cache.usable(15), 0);
    CHECK_EQUAL(DocumentCache(1, 1).usable(17), 17);
    DocumentCache short_ones(1 << 20, 1);
    short_ones.insert(tokens(15, 1), state(1));
    CHECK_EQUAL(short_ones.n_entries(), 0U);
    CHECK_EQUAL(short_ones.find(tokens(10, 1)).n_tokens, 0);
}

void forgets_the_least_recently_used_first_and_stays_within_its_bytes() {
    DocumentCache cache(5000, 8);  // four entries of 1,000 bytes and their tokens
    for (llama_token i = 0; i < 4; ++i) {
        cache.insert(tokens(16, 1000 * i), state(1));
    }
    CHECK_EQUAL(cache.n_entries(), 4U);
    CHECK_EQUAL(cache.find(tokens(20, 0)).n_tokens, 16);  // the oldest is used again
    cache.insert(tokens(16, 9000), state(1));
    CHECK(cache.n_bytes() <= 5000);
    CHECK_EQUAL(cache.find(tokens(20, 0)).n_tokens, 16);
    CHECK_EQUAL(cache.find(tokens(20, 1000)).n_tokens, 0);
    cache.insert(tokens(16, 7000), state(1, 10000));  // larger than the whole cache
    CHECK_EQUAL(cache.find(tokens(20, 7000)).n_tokens, 0);
    CHECK_EQUAL(cache.n_entries(), 4U);
}

void keeps_a_prefix_once() {
    DocumentCache cache(1 << 20, 8);
    CHECK(cache.insert(tokens(16, 1), state(1)) != nullptr);
    CHECK(cache.insert(tokens(16, 1), state(2)) == nullptr);
    CHECK_EQUAL(cache.n_entries(), 1U);
    CHECK_EQUAL(cache.find(tokens(20, 1)).entry->state[0], 1);
}

// What is in use lives on: were it forgotten, it would be held and not counted.
void forgets_no_entry_that_is_in_use() {
    DocumentCache cache(2200, 8);  // two entries
    cache.insert(tokens(16, 0), state(1));
    auto in_use = cache.find(tokens(20, 0));
    for (llama_token i = 1; i < 5; ++i) {
        CHECK(cache.insert(tokens(16, 1000 * i), state(2)) != nullptr);
        CHECK_EQUAL(cache.n_entries(), 2U);
        CHECK(cache.n_bytes() <= 2200);
        CHECK_EQUAL(cache.find(tokens(20, 0)).n_tokens, 16);
        CHECK_EQUAL(cache.find(tokens(20, 1000 * i)).n_tokens, 16);
    }
    auto other = cache.find(tokens(20, 4000));
    CHECK(cache.insert(tokens(16, 9000), state(3)) == nullptr);  // no room beside the two
    CHECK_EQUAL(cache.n_entries(), 2U);
    in_use.entry.reset();
    other.entry.reset();
    CHECK(cache.insert(tokens(16, 9000), state(3)) != nullptr);
    CHECK_EQUAL(cache.find(tokens(20, 9000)).n_tokens, 16);
}

void tells_what_one_entry_is_worth_to_a_prompt() {
    DocumentCache cache(1 << 20, 8);
    const auto    entry = cache.insert(tokens(32, 1), state(1));
    CHECK_EQUAL(cache.use_of(entry, tokens(80, 1)).n_tokens, 32);
    CHECK_EQUAL(cache.use_of(entry, tokens(80, 1, 28)).n_tokens, 24);
    CHECK(cache.use_of(entry, tokens(80, 5000)).entry == nullptr);
    CHECK(DocumentCache::key_of(tokens(80, 1)) == DocumentCache::key_of(tokens(32, 1)));
    CHECK(DocumentCache::key_of(tokens(80, 1)) != DocumentCache::key_of(tokens(80, 2)));
    CHECK(!DocumentCache::key_of(tokens(15, 1)));
}

void keeps_nothing_when_switched_off() {
    DocumentCache cache(0, 8);
    CHECK(!cache.enabled());
    cache.insert(tokens(16, 1), state(1));
    CHECK_EQUAL(cache.n_entries(), 0U);
}

}  // namespace

int main() {
    return check::run({
        { "finds the longest shared start", finds_the_longest_shared_start },
        { "leaves an entry of which little can be used", leaves_an_entry_of_which_little_can_be_used },
        { "leaves at least one token to compute", leaves_at_least_one_token_to_compute },
        { "rounds down to the alignment, and keeps nothing short",
          rounds_down_to_the_alignment_and_keeps_nothing_short },
        { "forgets the least recently used first, and stays within its bytes",
          forgets_the_least_recently_used_first_and_stays_within_its_bytes },
        { "keeps a prefix once", keeps_a_prefix_once },
        { "forgets no entry that is in use", forgets_no_entry_that_is_in_use },
        { "tells what one entry is worth to a prompt", tells_what_one_entry_is_worth_to_a_prompt },
        { "keeps nothing when switched off", keeps_nothing_when_switched_off },
    });
}
