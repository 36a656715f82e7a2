#pragma once

// The threads that tokenize for all engines of the process, which share its cores. Each engine has a lane of steps, one a
// document; the lanes take turns. Any thread. Rules:
//  T1. A step runs on a thread of the pool, which holds no lock meanwhile. It does not throw, and does not leave its lane.
//  T2. leave() forgets the steps that were not begun, and returns when none of the lane runs. Later ones are not taken.
//  T3. The lanes that were not left keep the pool. leave() of the last one ends its threads.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace jina_reranker {

// How many an engine wants. A CPU engine computes on all cores, and two threads prepare more than it computes; they are two so
// that short documents pass a long one. A GPU, which computes 100 times as much, leaves the cores to them.
int32_t tokenizer_threads(bool on_gpu, int32_t n_cores);

class TokenizerPool {
  public:
    using Step = std::function<void()>;

    TokenizerPool() = default;
    ~TokenizerPool();

    TokenizerPool(const TokenizerPool &)             = delete;
    TokenizerPool & operator=(const TokenizerPool &) = delete;
    TokenizerPool(TokenizerPool &&)                  = delete;
    TokenizerPool & operator=(TokenizerPool &&)      = delete;

    // The process's, grown.
    static std::shared_ptr<TokenizerPool> shared(int32_t n_threads);

    // Adds threads until there are so many. Where the system gives no more, the pool goes on with those it has; throws
    // engine_error when that is none.
    void grow(int32_t n_threads);

    class Lane {
      public:
        Lane(std::shared_ptr<TokenizerPool> pool, Step step);

        ~Lane() { leave(); }

        Lane(const Lane &)             = delete;
        Lane & operator=(const Lane &) = delete;
        Lane(Lane &&)                  = delete;
        Lane & operator=(Lane &&)      = delete;

        void post(size_t n_steps);
        void leave();

      private:
        friend class TokenizerPool;

        std::mutex                     mutex_;
        std::shared_ptr<TokenizerPool> pool_;  // none once left
        Step                           step_;
        size_t                         n_waiting_ = 0;  // steps; the pool's mutex guards both
        size_t                         n_running_ = 0;
    };

  private:
    void   run();
    Lane * take_step();
    void   add(Lane & lane, size_t n_steps);
    void   remove(Lane & lane);

    std::mutex               mutex_;
    std::condition_variable  wakes_;
    std::condition_variable  step_ended_;
    std::list<Lane *>        lanes_;  // with waiting steps, the next first
    bool                     ending_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace jina_reranker
