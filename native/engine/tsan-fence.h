#pragma once

// Orders what ggml's threads do in our operations where ThreadSanitizer can see it: ggml makes its threads wait for each other
// between nodes by atomics that it does not see. Nothing in other builds, where all threads of all nodes would write one line.

#include <atomic>
#include <cstddef>

namespace jina_reranker {

// Lasts as long as a node is made or computed; the first thing there.
class TsanFence {
  public:
#if defined(__SANITIZE_THREAD__)
    TsanFence() {
        n_passed().load(std::memory_order_acquire);
    }

    ~TsanFence() {
        n_passed().fetch_add(1, std::memory_order_release);
    }
#else
    TsanFence() {}  // NOLINT(modernize-use-equals-default): not trivial, so that no compiler calls it unused

    ~TsanFence() {}  // NOLINT(modernize-use-equals-default)
#endif

    TsanFence(const TsanFence &)             = delete;
    TsanFence & operator=(const TsanFence &) = delete;
    TsanFence(TsanFence &&)                  = delete;
    TsanFence & operator=(TsanFence &&)      = delete;

#if defined(__SANITIZE_THREAD__)
  private:
    static std::atomic<size_t> & n_passed() {
        static std::atomic<size_t> count = 0;
        return count;
    }
#endif
};

}  // namespace jina_reranker
