#pragma once

// The threads of one owner, all started or none. When the system refuses one, those that run are told to stop and are joined,
// because destroying a thread that can still be joined ends the process.

#include "error.h"

#include <functional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

namespace jina_reranker {

class WorkerThreads {
  public:
    using Work  = std::function<void()>;
    using Spawn = std::function<std::thread(Work)>;

    // stop: makes every work return. Throws engine_error, and then nothing runs.
    void start(
        const std::vector<Work> & works, const Work & stop, const Spawn & spawn = [](const Work & work) {
            return std::thread(work);
        }) {
        threads_.reserve(works.size());
        try {
            for (const Work & work : works) {
                threads_.push_back(spawn(work));
            }
        } catch (const std::system_error & error) {
            stop();
            join();
            throw Error(ErrorCode::engine_error,
                        "thread " + std::to_string(threads_.size() + 1) + " of " + std::to_string(works.size()) +
                            " could not be started: " + error.what() +
                            "; the limit of processes (ulimit -u, or the container's) is too low");
        }
    }

    void join() {
        for (std::thread & thread : threads_) {
            if (thread.joinable()) {
                thread.join();
            }
        }
    }

  private:
    std::vector<std::thread> threads_;
};

}  // namespace jina_reranker
