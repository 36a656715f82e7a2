#include "disk-thread.h"

#include "log.h"

#include <exception>
#include <string>
#include <utility>

namespace jina_reranker {

namespace {

constexpr std::chrono::milliseconds kLooksAtFlag(20);

}  // namespace

DiskThread::DiskThread() {
    thread_.start({ [this] {
                      run();
                  } },
                  [] {});
}

DiskThread::~DiskThread() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    wakes_.notify_all();
    thread_.join();
}

void DiskThread::post(Task task) {
    {
        const std::lock_guard lock(mutex_);
        tasks_.push_back(std::move(task));
    }
    wakes_.notify_one();
}

size_t DiskThread::n_waiting() const {
    const std::lock_guard lock(mutex_);
    return tasks_.size();
}

void DiskThread::finish(std::chrono::milliseconds time, const std::atomic<bool> & abort) {
    const auto       end = std::chrono::steady_clock::now() + time;
    std::unique_lock lock(mutex_);
    // Whoever sets the flag cannot know whether the object that waits here is still there to be woken.
    while (!abort && (busy_ || !tasks_.empty()) && std::chrono::steady_clock::now() < end) {
        idle_.wait_for(lock, kLooksAtFlag);
    }
}

void DiskThread::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        busy_ = false;
        if (tasks_.empty()) {
            idle_.notify_all();
        }
        wakes_.wait(lock, [&] { return closed_ || !tasks_.empty(); });
        if (closed_) {
            return;
        }
        const Task task = std::move(tasks_.front());
        tasks_.pop_front();
        busy_ = true;
        lock.unlock();
        try {
            task();
        } catch (const std::exception & failure) {
            log_line(LogLevel::error, std::string("document states: the disk's thread failed: ") + failure.what());
        } catch (...) {
            log_line(LogLevel::error, "document states: the disk's thread failed");
        }
        lock.lock();
    }
}

}  // namespace jina_reranker
