// The document cache: the longest known start in whole pages, or a whole prefix; pages shared by documents that begin alike, and the least
// recently used going first, but none that is held.

#include "backend.h"
#include "check.h"
#include "document-cache.h"

#include <memory>
#include <numeric>
#include <stdexcept>

#ifndef _WIN32
#    include <pthread.h>
#endif

using namespace jina_reranker;

namespace {

using Tokens = std::vector<llama_token>;
using Pages  = std::vector<int32_t>;

constexpr int32_t kPages = 64;

KvPages pages(int32_t n_pages = kPages) {
    ModelShape shape;
    shape.n_layer   = 1;
    shape.n_embd    = 32;
    shape.n_head    = 1;
    shape.n_head_kv = 1;
    LayerDevices devices;
    devices.layers = usable_devices(Backend::cpu);
    return KvPages(shape, devices, GGML_TYPE_F16, n_pages);
}

// n tokens from `first` on; those from `changed` on are others.
Tokens tokens(size_t n, llama_token first, size_t changed = SIZE_MAX) {
    Tokens result(n);
    std::iota(result.begin(), result.end(), first);
    for (size_t i = changed; i < n; ++i) {
        result[i] += 100000;
    }
    return result;
}

Pages take(KvPages & pool, size_t n_tokens) {
    Pages taken;
    for (int32_t i = 0; i < pages_of(static_cast<int32_t>(n_tokens)); ++i) {
        taken.push_back(pool.take().value());
    }
    return taken;
}

void release(KvPages & pool, const Pages & held) {
    for (const int32_t page : held) {
        pool.release(page);
    }
}

// As a pair does whose prefix is worth keeping: it takes pages, gives them to the cache, and lets go of them.
bool keep(DocumentCache & cache, KvPages & pool, const Tokens & prefix) {
    const Pages held   = take(pool, prefix.size());
    const bool  is_new = cache.insert(prefix, static_cast<int32_t>(prefix.size()), held);
    release(pool, held);
    return is_new;
}

// How many tokens are found, and let go of again. n_prefix: tokens of the prompt that are worth keeping.
size_t found(DocumentCache & cache, KvPages & pool, const Tokens & prompt, int32_t n_prefix = 0) {
    const auto [held, n_tokens] = cache.find(prompt, n_prefix);
    release(pool, held);
    CHECK_EQUAL(held.size(), static_cast<size_t>(pages_of(n_tokens)));
    return static_cast<size_t>(n_tokens);
}

void finds_the_longest_known_start_in_whole_pages() {
    KvPages       pool = pages();
    DocumentCache cache(pool, 32);
    keep(cache, pool, tokens(32, 1));
    keep(cache, pool, tokens(64, 1, 48));
    CHECK_EQUAL(found(cache, pool, tokens(80, 1)), 48U);
    CHECK_EQUAL(found(cache, pool, tokens(80, 1, 40)), 32U);
    CHECK_EQUAL(found(cache, pool, tokens(80, 1, 20)), 16U);
    CHECK_EQUAL(found(cache, pool, tokens(80, 1, 15)), 0U);
    CHECK_EQUAL(found(cache, pool, tokens(80, 5000)), 0U);
}

void leaves_at_least_one_token_to_compute() {
    KvPages       pool = pages();
    DocumentCache cache(pool, 32);
    keep(cache, pool, tokens(32, 1));
    CHECK_EQUAL(found(cache, pool, tokens(32, 1)), 16U);
    CHECK_EQUAL(found(cache, pool, tokens(33, 1)), 32U);
    CHECK_EQUAL(found(cache, pool, {}), 0U);
}

void keeps_none_of_less_than_a_page() {
    KvPages       pool = pages();
    DocumentCache cache(pool, 32);
    CHECK_EQUAL(cache.usable(47), 47);
    CHECK_EQUAL(cache.usable(15), 0);
    CHECK(!keep(cache, pool, tokens(15, 1)));
    CHECK(keep(cache, pool, tokens(47, 1)));
    CHECK_EQUAL(cache.n_pages(), 3);
    CHECK_EQUAL(pool.n_free(), kPages - 3);
}

// In the last page another query's tokens lie behind the prefix.
void finds_the_end_of_a_prefix_for_the_same_prefix_only() {
    KvPages       pool = pages();
    DocumentCache cache(pool, 32);
    keep(cache, pool, tokens(44, 1));
    CHECK_EQUAL(found(cache, pool, tokens(60, 1), 44), 44U);
    CHECK_EQUAL(found(cache, pool, tokens(60, 1, 44), 44), 44U);
    CHECK_EQUAL(found(cache, pool, tokens(60, 1, 43), 44), 32U);
    CHECK_EQUAL(found(cache, pool, tokens(60, 1, 44), 43), 43U);  // a shorter one is in it
    CHECK_EQUAL(found(cache, pool, tokens(60, 1, 42), 43), 32U);
    CHECK_EQUAL(found(cache, pool, tokens(60, 1), 50), 32U);
    CHECK(keep(cache, pool, tokens(50, 1)));
    CHECK_EQUAL(cache.n_pages(), 5);
    CHECK_EQUAL(cache.n_entries(), 2U);
    CHECK_EQUAL(found(cache, pool, tokens(60, 1), 50), 50U);
    CHECK_EQUAL(found(cache, pool, tokens(60, 1), 44), 48U);  // the longer one's whole pages
}

void shares_the_pages_of_documents_that_begin_alike() {
    KvPages       pool = pages();
    DocumentCache cache(pool, 64);
    for (llama_token document = 0; document < 20; ++document) {
        Tokens       all = tokens(160, 1);
        const Tokens end = tokens(16, 1000 * (document + 1));
        all.insert(all.end(), end.begin(), end.end());
        CHECK(keep(cache, pool, all));
    }
    CHECK_EQUAL(cache.n_pages(), 10 + 20);
    CHECK_EQUAL(cache.n_entries(), 20U);
    CHECK_EQUAL(pool.n_free(), kPages - 30);
}

void keeps_a_prefix_once() {
    KvPages       pool = pages();
    DocumentCache cache(pool, 32);
    CHECK(keep(cache, pool, tokens(32, 1)));
    CHECK(!keep(cache, pool, tokens(32, 1)));
    CHECK_EQUAL(cache.n_pages(), 2);
    CHECK_EQUAL(cache.n_entries(), 1U);
    CHECK(keep(cache, pool, tokens(48, 1)));  // goes on where the first ends
    CHECK_EQUAL(cache.n_entries(), 1U);
}

void forgets_the_least_recently_used_first() {
    KvPages       pool = pages();
    DocumentCache cache(pool, 8);  // four documents of two pages
    for (llama_token i = 0; i < 4; ++i) {
        keep(cache, pool, tokens(32, 1000 * i));
    }
    CHECK_EQUAL(found(cache, pool, tokens(40, 0)), 32U);  // the oldest is used again
    keep(cache, pool, tokens(32, 9000));
    CHECK_EQUAL(cache.n_pages(), 8);
    CHECK_EQUAL(found(cache, pool, tokens(40, 0)), 32U);
    CHECK_EQUAL(found(cache, pool, tokens(40, 1000)), 0U);
    keep(cache, pool, tokens(16, 7000));  // the end of a document goes before its beginning
    CHECK_EQUAL(found(cache, pool, tokens(40, 2000)), 16U);
    CHECK(keep(cache, pool,
               tokens(size_t{ kPageTokens } * 20, 5000)));  // more than there is room for: its beginning is kept
    CHECK_EQUAL(cache.n_pages(), 8);
    CHECK_EQUAL(pool.n_free(), kPages - 8);
    CHECK_EQUAL(cache.n_entries(), 1U);
}

void forgets_no_page_that_is_held() {
    KvPages       pool = pages();
    DocumentCache cache(pool, 2);
    keep(cache, pool, tokens(32, 1));
    const Pages held = cache.find(tokens(40, 1), 0).pages;
    CHECK(!keep(cache, pool, tokens(32, 1000)));
    CHECK_EQUAL(found(cache, pool, tokens(40, 1)), 32U);
    release(pool, held);
    CHECK(keep(cache, pool, tokens(32, 1000)));
    CHECK_EQUAL(found(cache, pool, tokens(40, 1000)), 32U);
    CHECK_EQUAL(found(cache, pool, tokens(40, 1)), 0U);
}

void keeps_no_page_whose_state_could_not_be_written() {
    KvPages       pool = pages();
    DocumentCache cache(pool, 32);
    keep(cache, pool, tokens(32, 1));
    keep(cache, pool, tokens(32, 1000));
    bool       failed = false;
    const auto fails  = [](const auto & added) {
        CHECK_EQUAL(added.size(), 3U);
        throw std::runtime_error("the device is lost");
    };
    try {
        cache.add(tokens(76, 1), 76, fails);
    } catch (const std::runtime_error &) {
        failed = true;
    }
    CHECK(failed);
    CHECK_EQUAL(found(cache, pool, tokens(80, 1), 76), 32U);
    CHECK_EQUAL(cache.n_pages(), 4);
    CHECK_EQUAL(cache.n_entries(), 2U);
    CHECK_EQUAL(pool.n_free(), kPages - 4);
    CHECK(cache.add(tokens(76, 1), 76, [](const auto & added) { CHECK_EQUAL(added.front().first_token, 32); }));
    CHECK_EQUAL(found(cache, pool, tokens(80, 1), 76), 76U);
}

void lets_go_of_all_pages_at_its_end() {
    KvPages pool = pages();
    {
        DocumentCache cache(pool, 32);
        keep(cache, pool, tokens(64, 1));
        CHECK_EQUAL(pool.n_free(), kPages - 4);
    }
    CHECK_EQUAL(pool.n_free(), kPages);
}

#ifndef _WIN32
// A long context's document is a tree of as many levels as it has pages; whoever closes an engine may have a small stack.
void frees_a_deep_tree_with_a_small_stack() {
    constexpr size_t kDeep = 8192;
    KvPages          pool  = pages(kDeep);
    auto             cache = std::make_unique<DocumentCache>(pool, static_cast<int32_t>(kDeep));
    keep(*cache, pool, tokens(kDeep * kPageTokens, 1));
    CHECK_EQUAL(cache->n_pages(), static_cast<int32_t>(kDeep));
    pthread_attr_t attributes;
    pthread_t      thread{};
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, size_t{ 64 } << 10U);
    const auto free = [](void * freed) -> void * {
        static_cast<std::unique_ptr<DocumentCache> *>(freed)->reset();
        return nullptr;
    };
    CHECK_EQUAL(pthread_create(&thread, &attributes, free, &cache), 0);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
    CHECK_EQUAL(pool.n_free(), static_cast<int32_t>(kDeep));
}
#endif

void tells_which_prompts_can_share_a_page() {
    CHECK(DocumentCache::key_of(tokens(80, 1)) == DocumentCache::key_of(tokens(32, 1)));
    CHECK(DocumentCache::key_of(tokens(80, 1)) != DocumentCache::key_of(tokens(80, 2)));
    CHECK(!DocumentCache::key_of(tokens(15, 1)));
}

void keeps_nothing_when_switched_off() {
    KvPages       pool = pages();
    DocumentCache cache(pool, 0);
    CHECK(!cache.enabled());
    CHECK(!keep(cache, pool, tokens(32, 1)));
    CHECK_EQUAL(cache.n_pages(), 0);
    CHECK_EQUAL(pool.n_free(), kPages);
}

}  // namespace

int main() {
    load_backends(JINA_RERANKER_LIBRARIES);
    return check::run({
        { "finds the longest known start in whole pages", finds_the_longest_known_start_in_whole_pages },
        { "leaves at least one token to compute", leaves_at_least_one_token_to_compute },
        { "keeps none of less than a page", keeps_none_of_less_than_a_page },
        { "finds the end of a prefix for the same prefix only", finds_the_end_of_a_prefix_for_the_same_prefix_only },
        { "shares the pages of documents that begin alike", shares_the_pages_of_documents_that_begin_alike },
        { "keeps a prefix once", keeps_a_prefix_once },
        { "forgets the least recently used first", forgets_the_least_recently_used_first },
        { "forgets no page that is held", forgets_no_page_that_is_held },
        { "keeps no page whose state could not be written", keeps_no_page_whose_state_could_not_be_written },
        { "lets go of all pages at its end", lets_go_of_all_pages_at_its_end },
#ifndef _WIN32
        { "frees a deep tree with a small stack", frees_a_deep_tree_with_a_small_stack },
#endif
        { "tells which prompts can share a page", tells_which_prompts_can_share_a_page },
        { "keeps nothing when switched off", keeps_nothing_when_switched_off },
    });
}
