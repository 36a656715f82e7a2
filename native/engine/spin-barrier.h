#pragma once

// A barrier for threads that run at the same time and wait for each other so shortly that they spin: to sleep and wake up
// would take longer. ggml's threads wait like this between nodes.

#include <atomic>
#include <cstdint>
#include <thread>

namespace jina_reranker {

class SpinBarrier {
  public:
    // Returns once n_threads threads have called it, the same number in each; the last one calls before_all first.
    // What a thread did before is seen by all after.
    template <typename BeforeAll>
    void wait(int32_t n_threads, const BeforeAll & before_all) {
        constexpr int kSpins = 10000;  // then others may have the processor

        const uint32_t round = round_.load(std::memory_order_acquire);
        if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == n_threads) {
            arrived_.store(0, std::memory_order_relaxed);
            before_all();
            round_.store(round + 1, std::memory_order_release);
            return;
        }
        for (int spins = 0; round_.load(std::memory_order_acquire) == round; ++spins) {
            if (spins >= kSpins) {
                std::this_thread::yield();
            }
        }
    }

  private:
    std::atomic<int32_t>  arrived_ = 0;
    std::atomic<uint32_t> round_   = 0;
};

}  // namespace jina_reranker
