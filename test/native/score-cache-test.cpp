// The cache of recent scores: what is found, what leaves when bytes run out.

#include "check.h"
#include "score-cache.h"

#include <cmath>
#include <limits>

using namespace jina_reranker;

namespace {

std::vector<llama_token> tokens(llama_token first, size_t n_tokens = 100) {
    std::vector<llama_token> result(n_tokens, 7);
    result.front() = first;
    return result;
}

void finds_the_score_of_the_same_tokens_alone() {
    ScoreCache cache(1 << 20);
    cache.insert(tokens(1), 0.5f);
    CHECK_EQUAL(cache.find(tokens(1)).value_or(-1.0f), 0.5f);
    CHECK(!cache.find(tokens(2)));
    CHECK(!cache.find(tokens(1, 99)));
    CHECK(!cache.find({}));
}

void keeps_the_newest_score_of_a_pair() {
    ScoreCache cache(1 << 20);
    cache.insert(tokens(1), 0.5f);
    cache.insert(tokens(1), 0.25f);
    CHECK_EQUAL(cache.find(tokens(1)).value_or(-1.0f), 0.25f);
}

void drops_the_least_recently_used_ones() {
    ScoreCache cache(2 * (100 * sizeof(llama_token) + 128));
    cache.insert(tokens(1), 1.0f);
    cache.insert(tokens(2), 2.0f);
    CHECK(cache.find(tokens(1)));
    cache.insert(tokens(3), 3.0f);
    CHECK(cache.find(tokens(1)));
    CHECK(!cache.find(tokens(2)));
    CHECK(cache.find(tokens(3)));
}

void keeps_nothing_that_is_larger_than_it() {
    ScoreCache cache(1000);
    cache.insert(tokens(1, 300), 1.0f);
    CHECK(!cache.find(tokens(1, 300)));
    ScoreCache off(0);
    off.insert(tokens(1), 1.0f);
    CHECK(!off.find(tokens(1)));
}

void keeps_no_score_that_is_an_error() {
    ScoreCache cache(1 << 20);
    cache.insert(tokens(1), std::numeric_limits<float>::quiet_NaN());
    cache.insert(tokens(2), std::numeric_limits<float>::infinity());
    CHECK(!cache.find(tokens(1)));
    CHECK(!cache.find(tokens(2)));
}

}  // namespace

int main() {
    return check::run({
        { "finds the score of the same tokens alone", finds_the_score_of_the_same_tokens_alone },
        { "keeps the newest score of a pair", keeps_the_newest_score_of_a_pair },
        { "drops the least recently used ones", drops_the_least_recently_used_ones },
        { "keeps nothing that is larger than it", keeps_nothing_that_is_larger_than_it },
        { "keeps no score that is an error", keeps_no_score_that_is_an_error },
    });
}
