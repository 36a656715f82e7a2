// Backends that are loaded while other threads look for devices, and those that cannot be loaded.

#include "backend.h"

#include "check.h"
#include "error.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <thread>

using namespace jina_reranker;

namespace {

bool has_fake_device(const BackendsInfo & info) {
    return std::any_of(info.devices.begin(), info.devices.end(),
                       [](const DeviceInfo & device) { return device.name == "FAKE0"; });
}

// Readers wait with relaxed loads, which order no memory: ThreadSanitizer then sees whether the functions themselves do.
void orders_reading_behind_registering() {
    CHECK(!has_fake_device(backends_info()));
    std::atomic<bool>                        registered{ false };
    std::atomic<int>                         n_seen{ 0 };
    const std::vector<std::function<void()>> reads = {
        [&] { n_seen += has_fake_device(backends_info()) ? 1 : 0; },
        [&] { n_seen += usable_devices(Backend::cpu).size() == 1 ? 1 : 0; },
        [&] { n_seen += usable_devices(Backend::automatic).size() == 1 ? 1 : 0; },
        [&] {
            require_backends();
            n_seen += 1;
        },
        [&] {
            load_backend({ JINA_RERANKER_FAKE_BACKEND });
            n_seen += 1;
        },
        [&] {
            const BackendsInUse              in_use = use_backends();
            n_seen += ggml_backend_dev_by_name("FAKE0") != nullptr ? 1 : 0;
        },
    };
    std::vector<std::thread> threads;
    for (const auto & read : reads) {
        threads.emplace_back([&registered, &read] {
            while (!registered.load(std::memory_order_relaxed)) {
                std::this_thread::yield();
            }
            read();
        });
    }
    load_backend({ JINA_RERANKER_FAKE_BACKEND });
    registered.store(true, std::memory_order_relaxed);
    for (std::thread & thread : threads) {
        thread.join();
    }
    CHECK_EQUAL(n_seen.load(), static_cast<int>(reads.size()));
}

void says_why_a_library_cannot_be_loaded() {
    CHECK_ERROR(load_backend({}), ErrorCode::backend_unavailable);
    CHECK_ERROR(load_backend({ "libggml-missing.so" }), ErrorCode::backend_unavailable);
    CHECK_ERROR(load_backends("no such folder"), ErrorCode::backend_unavailable);
    const auto failures = backends_info().failures;
    CHECK(std::any_of(failures.begin(), failures.end(),
                      [](const BackendFailure & failure) { return failure.path == "libggml-missing.so"; }));
    // What failed before leaves those that are loaded as they are.
    CHECK_EQUAL(usable_devices(Backend::cpu).size(), size_t{ 1 });
}

}  // namespace

int main() {
    load_backends(JINA_RERANKER_LIBRARIES);
    return check::run({
        { "orders reading behind registering", orders_reading_behind_registering },
        { "says why a library cannot be loaded", says_why_a_library_cannot_be_loaded },
    });
}
