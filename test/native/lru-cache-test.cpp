// The bounded map behind the caches, with keys that collide and several threads.

#include "check.h"
#include "lru-cache.h"

#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace jina_reranker;
using namespace std::string_view_literals;

namespace {

void compares_keys_and_keeps_the_newer_of_one_hash() {
    LruCache<std::string, int> cache(1 << 20);
    cache.insert(1, "a", 10, 1);
    CHECK_EQUAL(cache.find(1, "a"sv).value_or(0), 10);
    CHECK(!cache.find(1, "b"sv));
    CHECK(!cache.find(2, "a"sv));
    cache.insert(1, "b", 20, 1);
    CHECK(!cache.find(1, "a"sv));
    CHECK_EQUAL(cache.find(1, "b"sv).value_or(0), 20);
}

void holds_no_more_bytes_than_it_may() {
    LruCache<std::string, int> cache(10'000);
    for (uint64_t i = 0; i < 100; ++i) {
        cache.insert(i, std::to_string(i), static_cast<int>(i), 1000);
    }
    int n_found = 0;
    for (uint64_t i = 0; i < 100; ++i) {
        n_found += cache.find(i, std::to_string(i)) ? 1 : 0;
    }
    CHECK_EQUAL(n_found, 8);  // what an entry takes beside its key and value counts, too
    CHECK(cache.find(99, "99"sv));
    cache.insert(100, "100", 100, 10'000);  // too large: the others stay
    CHECK(!cache.find(100, "100"sv));
    CHECK(cache.find(99, "99"sv));
}

void gives_every_thread_the_value_of_its_key() {
    LruCache<std::string, uint64_t> cache(3000);
    std::atomic<int>                n_wrong{ 0 };
    std::vector<std::thread>        threads;
    threads.reserve(4);
    for (uint64_t thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&, thread] {
            for (uint64_t i = 0; i < 5000; ++i) {
                const uint64_t key = (i * (thread + 1)) % 50;
                if (const auto found = cache.find(key % 40, std::to_string(key))) {
                    n_wrong += *found == key ? 0 : 1;
                } else {
                    cache.insert(key % 40, std::to_string(key), key, 8);
                }
            }
        });
    }
    for (std::thread & thread : threads) {
        thread.join();
    }
    CHECK_EQUAL(n_wrong.load(), 0);
}

}  // namespace

int main() {
    return check::run({
        { "compares keys, and keeps the newer of one hash", compares_keys_and_keeps_the_newer_of_one_hash },
        { "holds no more bytes than it may", holds_no_more_bytes_than_it_may },
        { "gives every thread the value of its key", gives_every_thread_the_value_of_its_key },
    });
}
