#include "threads.h"

#include "backend.h"
#include "cores.h"
#include "ggml-backend.h"
#include "worker-threads.h"

#include <algorithm>
#include <cstddef>
#include <future>
#include <set>
#include <thread>
#include <vector>

#if defined(__linux__)
#    include <sched.h>
#elif defined(__APPLE__)
#    include <sys/sysctl.h>
#elif defined(_WIN32)
#    define WIN32_LEAN_AND_MEAN
#    define NOMINMAX
#    include <windows.h>
#endif

namespace jina_reranker {

namespace {

// 0 where it is not known.
#if defined(__linux__)
int32_t usable_cores() {
    std::vector<cpu_set_t> mask(8);  // 8 × 1024 processors
    const size_t           n_bytes = mask.size() * sizeof(cpu_set_t);
    if (sched_getaffinity(0, n_bytes, mask.data()) != 0) {
        return 0;
    }
    std::set<int32_t> allowed;
    for (int32_t processor = 0; processor < static_cast<int32_t>(n_bytes * 8); ++processor) {
        if (CPU_ISSET_S(static_cast<size_t>(processor), n_bytes, mask.data())) {
            allowed.insert(processor);
        }
    }
    return physical_cores("", performance_processors("", allowed));
}

int32_t quota() {
    return quota_cores("");
}
#elif defined(__APPLE__)
int32_t usable_cores() {
    for (const char * name : { "hw.perflevel0.physicalcpu", "hw.physicalcpu" }) {
        int32_t count  = 0;
        size_t  length = sizeof(count);
        if (sysctlbyname(name, &count, &length, nullptr, 0) == 0 && count > 0) {
            return count;
        }
    }
    return 0;
}

int32_t quota() {
    return 0;
}
#elif defined(_WIN32)
// Efficiency cores have a lower class than the others.
int32_t usable_cores() {
    DWORD n_bytes = 0;
    GetLogicalProcessorInformationEx(RelationProcessorCore, nullptr, &n_bytes);
    std::vector<std::byte> buffer(n_bytes);
    auto * const           first = reinterpret_cast<SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX *>(buffer.data());
    if (n_bytes == 0 || !GetLogicalProcessorInformationEx(RelationProcessorCore, first, &n_bytes)) {
        return 0;
    }
    int32_t count   = 0;
    BYTE    highest = 0;
    for (DWORD offset = 0; offset < n_bytes;) {
        const auto * core = reinterpret_cast<const SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX *>(buffer.data() + offset);
        const BYTE   efficiency_class = core->Processor.EfficiencyClass;
        count                         = efficiency_class > highest ? 0 : count;
        highest                       = std::max(highest, efficiency_class);
        count += efficiency_class == highest ? 1 : 0;
        offset += core->Size;
    }
    return count;
}

int32_t quota() {
    return 0;
}
#else
int32_t usable_cores() {
    return 0;
}

int32_t quota() {
    return 0;
}
#endif

}  // namespace

int32_t default_thread_count() {
    int32_t n_threads = usable_cores();
    if (n_threads == 0) {
        n_threads = std::max(1, static_cast<int32_t>(std::thread::hardware_concurrency()));
    }
    const int32_t limit = quota();
    return limit > 0 ? std::min(n_threads, limit) : n_threads;
}

namespace {

// A function of the CPU backend, which is a plug-in.
template <typename Function>
Function cpu_function(const char * name) {
    const BackendsInUse in_use = use_backends();
    ggml_backend_reg_t  cpu    = ggml_backend_reg_by_name("CPU");
    return cpu == nullptr ? nullptr : reinterpret_cast<Function>(ggml_backend_reg_get_proc_address(cpu, name));
}

// ggml ends the process when it cannot start a thread. So this starts as many first, and throws engine_error when the system
// refuses one.
void require_threads(int32_t n_threads) {
    std::promise<void>             ended;
    const std::shared_future<void> end = ended.get_future().share();
    WorkerThreads                  threads;
    const auto                     stop = [&ended] {
        ended.set_value();
    };
    threads.start(std::vector<WorkerThreads::Work>(static_cast<size_t>(n_threads), [end] { end.wait(); }), stop);
    stop();
    threads.join();
}

}  // namespace

ThreadPool::ThreadPool(int32_t n_threads) {
    require_threads(n_threads);
    if (const auto create = cpu_function<decltype(ggml_threadpool_new) *>("ggml_threadpool_new")) {
        ggml_threadpool_params params = ggml_threadpool_params_default(n_threads);
        params.poll                   = 0;
        pool_                         = create(&params);
    }
}

ThreadPool::~ThreadPool() {
    if (pool_ != nullptr) {
        cpu_function<decltype(ggml_threadpool_free) *>("ggml_threadpool_free")(pool_);
    }
}

}  // namespace jina_reranker
