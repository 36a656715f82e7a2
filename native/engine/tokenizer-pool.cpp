#include "tokenizer-pool.h"

#include "error.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

namespace jina_reranker {

namespace {

constexpr int32_t kFewest = 2;
constexpr int32_t kMost   = 16;  // a pair of 145 tokens takes one 0.3 to 0.4 ms (two AVX2 cores)
constexpr int32_t kBusy   = 2;   // cores: the engine's thread and JavaScript's

}  // namespace

int32_t tokenizer_threads(bool on_gpu, int32_t n_cores) {
    return on_gpu ? std::clamp(n_cores - kBusy, kFewest, kMost) : kFewest;
}

std::shared_ptr<TokenizerPool> TokenizerPool::shared(int32_t n_threads) {
    static std::mutex                   mutex;
    static std::weak_ptr<TokenizerPool> current;

    const std::lock_guard          lock(mutex);
    std::shared_ptr<TokenizerPool> pool = current.lock();
    if (!pool) {
        pool    = std::make_shared<TokenizerPool>();
        current = pool;
    }
    pool->grow(n_threads);
    return pool;
}

TokenizerPool::~TokenizerPool() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    wakes_.notify_all();
    for (std::thread & thread : threads_) {
        thread.join();
    }
}

void TokenizerPool::grow(int32_t n_threads) {
    const std::lock_guard lock(mutex_);
    try {
        while (threads_.size() < static_cast<size_t>(n_threads)) {
            threads_.emplace_back([this] { run(); });
        }
    } catch (const std::system_error & error) {
        if (threads_.empty()) {
            throw Error(ErrorCode::engine_error, std::string("no thread could be started: ") + error.what());
        }
    }
}

// Takes a waiting step from the first lane, which goes behind the others.
TokenizerPool::Lane * TokenizerPool::take_step() {
    Lane * lane = lanes_.front();
    lanes_.pop_front();
    lane->n_waiting_ -= 1;
    lane->n_running_ += 1;
    if (lane->n_waiting_ > 0) {
        lanes_.push_back(lane);
    }
    return lane;
}

void TokenizerPool::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        wakes_.wait(lock, [&] { return ending_ || !lanes_.empty(); });
        if (ending_) {
            return;
        }
        Lane * lane = take_step();
        lock.unlock();
        lane->step_();
        lock.lock();
        lane->n_running_ -= 1;
        step_ended_.notify_all();
    }
}

TokenizerPool::Lane::Lane(std::shared_ptr<TokenizerPool> pool, Step step) :
    pool_(std::move(pool)),
    step_(std::move(step)) {}

void TokenizerPool::Lane::post(size_t n_steps) {
    const std::lock_guard lock(mutex_);
    if (pool_) {
        pool_->add(*this, n_steps);
    }
}

void TokenizerPool::Lane::leave() {
    std::shared_ptr<TokenizerPool> pool;
    {
        const std::lock_guard lock(mutex_);
        pool.swap(pool_);
    }
    if (pool) {
        pool->remove(*this);
    }
}

void TokenizerPool::add(Lane & lane, size_t n_steps) {
    const std::lock_guard lock(mutex_);
    if (lane.n_waiting_ == 0) {
        lanes_.push_back(&lane);
    }
    lane.n_waiting_ += n_steps;
    for (size_t i = 0; i < std::min(n_steps, threads_.size()); ++i) {
        wakes_.notify_one();
    }
}

void TokenizerPool::remove(Lane & lane) {
    std::unique_lock lock(mutex_);
    lanes_.remove(&lane);
    lane.n_waiting_ = 0;
    step_ended_.wait(lock, [&] { return lane.n_running_ == 0; });
}

}  // namespace jina_reranker
