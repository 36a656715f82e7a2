#include "threads.h"

#include "backend.h"
#include "ggml-backend.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <utility>

#ifdef __linux__
#    include <sched.h>
#endif

namespace jina_reranker {

namespace {

#ifdef __linux__
int32_t allowed_cores() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
        return 0;
    }
    std::set<std::pair<int, int>> cores;
    int32_t                       n_processors = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(static_cast<size_t>(cpu), &allowed)) {
            continue;
        }
        ++n_processors;
        const std::string topology = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
        int               package  = 0;
        int               core     = 0;
        if (std::ifstream(topology + "physical_package_id") >> package && std::ifstream(topology + "core_id") >> core) {
            cores.emplace(package, core);
        }
    }
    return cores.empty() ? n_processors : static_cast<int32_t>(cores.size());
}

// cgroup v2: "<quota> <period>" in microseconds, or "max <period>". 0 = no quota.
int32_t quota_cores() {
    std::ifstream file("/sys/fs/cgroup/cpu.max");
    double        quota  = 0;
    double        period = 0;
    if (!(file >> quota >> period) || quota <= 0 || period <= 0) {
        return 0;
    }
    return std::max(1, static_cast<int32_t>(quota / period));
}
#else
int32_t allowed_cores() {
    return 0;
}

int32_t quota_cores() {
    return 0;
}
#endif

}  // namespace

int32_t default_thread_count() {
    int32_t n_threads = allowed_cores();
    if (n_threads == 0) {
        n_threads = std::max(1, static_cast<int32_t>(std::thread::hardware_concurrency()));
    }
    const int32_t quota = quota_cores();
    return quota > 0 ? std::min(n_threads, quota) : n_threads;
}

namespace {

// A function of the CPU backend, which is a plug-in.
template <typename Function>
Function cpu_function(const char * name) {
    const BackendsInUse in_use = use_backends();
    ggml_backend_reg_t  cpu    = ggml_backend_reg_by_name("CPU");
    return cpu == nullptr ? nullptr : reinterpret_cast<Function>(ggml_backend_reg_get_proc_address(cpu, name));
}

}  // namespace

ThreadPool::ThreadPool(int32_t n_threads) {
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
