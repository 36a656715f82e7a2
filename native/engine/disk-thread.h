#pragma once

// A thread that does what may wait for a disk, one task after the other.

#include "worker-threads.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>

namespace jina_reranker {

class DiskThread {
  public:
    using Task = std::function<void()>;  // what it throws is logged

    // Throws engine_error when no thread can be started.
    DiskThread();
    // Waits for the task that runs; those that wait are dropped.
    ~DiskThread();

    DiskThread(const DiskThread &)             = delete;
    DiskThread & operator=(const DiskThread &) = delete;
    DiskThread(DiskThread &&)                  = delete;
    DiskThread & operator=(DiskThread &&)      = delete;

    void post(Task task);

    // Tasks that are not begun.
    size_t n_waiting() const;

    // Returns once every task is done, when the time is over, or soon after `abort` is set.
    void finish(std::chrono::milliseconds time, const std::atomic<bool> & abort);

  private:
    void run();

    mutable std::mutex      mutex_;
    std::condition_variable wakes_;
    std::condition_variable idle_;
    std::deque<Task>        tasks_;
    bool                    busy_   = false;
    bool                    closed_ = false;
    WorkerThreads           thread_;
};

}  // namespace jina_reranker
