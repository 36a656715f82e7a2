#pragma once

// How many CPU threads to compute with, and the threads themselves. One engine owns a ThreadPool.

#include "ggml-cpu.h"

#include <cstdint>

namespace jina_reranker {

// Physical cores among the processors this process may run on, without efficiency cores where there are others; at most
// what the CPU quotas of its control groups leave; at least 1.
int32_t default_thread_count();

// ggml's threads for one engine: they wait for each other by spinning while a graph is computed, and sleep in between.
// Without a CPU backend there are none; ggml then starts threads for every graph.
class ThreadPool {
  public:
    explicit ThreadPool(int32_t n_threads);
    ~ThreadPool();

    ThreadPool(const ThreadPool &)             = delete;
    ThreadPool & operator=(const ThreadPool &) = delete;
    ThreadPool(ThreadPool &&)                  = delete;
    ThreadPool & operator=(ThreadPool &&)      = delete;

    ggml_threadpool_t get() const { return pool_; }

  private:
    ggml_threadpool_t pool_ = nullptr;
};

}  // namespace jina_reranker
