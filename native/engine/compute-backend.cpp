#include "compute-backend.h"

#include "backend.h"
#include "error.h"
#include "ggml-cpu.h"
#include "log.h"

#include <string>

namespace jina_reranker {

namespace {

template <typename Function>
Function function_of(ggml_backend_dev_t device, const char * name) {
    return reinterpret_cast<Function>(ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), name));
}

}  // namespace

void FreeBackend::operator()(ggml_backend_t backend) const noexcept {
    const std::string device = ggml_backend_name(backend);
    try {
        ggml_backend_free(backend);
    } catch (const std::exception & failure) {
        log_line(LogLevel::error, device + " could not be freed: " + failure.what());
    }
}

ComputeBackend compute_backend(ggml_backend_dev_t        device,
                               const ThreadPool &        threads,
                               int32_t                   n_threads,
                               const std::atomic<bool> & abort) {
    const BackendsInUse in_use = use_backends();
    ComputeBackend      backend(ggml_backend_dev_init(device, nullptr));
    if (!backend) {
        throw Error(ErrorCode::backend_unavailable,
                    std::string("device ") + ggml_backend_dev_name(device) + " could not be initialised");
    }
    if (const auto set_n_threads = function_of<ggml_backend_set_n_threads_t>(device, "ggml_backend_set_n_threads")) {
        set_n_threads(backend.get(), n_threads);
    }
    if (const auto set_threadpool =
            function_of<decltype(ggml_backend_cpu_set_threadpool) *>(device, "ggml_backend_cpu_set_threadpool")) {
        set_threadpool(backend.get(), threads.get());
    }
    if (const auto set_abort =
            function_of<ggml_backend_set_abort_callback_t>(device, "ggml_backend_set_abort_callback")) {
        set_abort(
            backend.get(),
            [](void * user_data) {
                return static_cast<const std::atomic<bool> *>(user_data)->load(std::memory_order_relaxed);
            },
            const_cast<std::atomic<bool> *>(&abort));
    }
    return backend;
}

}  // namespace jina_reranker
