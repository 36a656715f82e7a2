// Threads that cannot all be started.

#include "check.h"
#include "thread-stacks.h"
#include "worker-threads.h"

#include <atomic>
#if defined(__linux__)
#    include <pthread.h>
#endif

using namespace jina_reranker;

namespace {

void runs_every_work() {
    std::atomic<int> n{ 0 };
    WorkerThreads    threads;
    threads.start({ [&] { ++n; }, [&] { ++n; },
                    [&] {
                        ++n;
                    } },
                  [] {});
    threads.join();
    threads.join();
    CHECK_EQUAL(n.load(), 3);
}

// musl's default is 128 KiB.
void have_room_for_deep_calls() {
#if defined(__linux__)
    raise_thread_stacks();
    size_t        size = 0;
    WorkerThreads threads;
    threads.start({ [&] {
                      pthread_attr_t attributes;
                      if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
                          pthread_attr_getstacksize(&attributes, &size);
                          pthread_attr_destroy(&attributes);
                      }
                  } },
                  [] {});
    threads.join();
    CHECK(size >= size_t(1) << 20);
#endif
}

// std::terminate would end the process if the first thread were destroyed without being joined.
void leaves_nothing_running_when_one_cannot_be_started() {
    std::atomic<bool> stopped{ false };
    std::atomic<int>  n_ended{ 0 };
    int               n_spawned = 0;
    const auto        work      = [&] {
        while (!stopped) {
            std::this_thread::yield();
        }
        ++n_ended;
    };
    const auto spawn = [&](WorkerThreads::Work one) {
        if (++n_spawned == 3) {
            throw std::system_error(std::make_error_code(std::errc::resource_unavailable_try_again));
        }
        return std::thread(std::move(one));
    };
    WorkerThreads threads;
    try {
        threads.start(
            { work, work, work, work }, [&] { stopped = true; }, spawn);
        CHECK(false);
    } catch (const Error & error) {
        CHECK(error.code == ErrorCode::engine_error);
        CHECK(std::string(error.what()).find("thread 3 of 4") != std::string::npos);
    }
    CHECK_EQUAL(n_spawned, 3);
    CHECK_EQUAL(n_ended.load(), 2);
}

}  // namespace

int main() {
    return check::run({
        { "runs every work", runs_every_work },
        { "have room for deep calls", have_room_for_deep_calls },
        { "leaves nothing running when one cannot be started", leaves_nothing_running_when_one_cannot_be_started },
    });
}
