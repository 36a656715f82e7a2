// How the work of tokens is counted.

#include "check.h"
#include "token-work.h"

using namespace jina_reranker;

namespace {

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

}  // namespace

int main() {
    return check::run({
        { "counts the attention of a token", counts_the_attention_of_a_token },
    });
}
