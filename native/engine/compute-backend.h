#pragma once

// A device, ready to compute for one engine.

#include "ggml-backend.h"
#include "threads.h"

#include <atomic>
#include <cstdint>
#include <memory>

namespace jina_reranker {

// The backend of a device that was lost throws when it is freed. What it holds then stays until the process ends.
struct FreeBackend {
    void operator()(ggml_backend_t backend) const noexcept;
};

using ComputeBackend = std::unique_ptr<ggml_backend, FreeBackend>;

// A CPU's computes with the first n_threads of these threads, and ends soon after `abort` is set. Both must stay. Throws
// backend_unavailable.
ComputeBackend compute_backend(ggml_backend_dev_t        device,
                               const ThreadPool &        threads,
                               int32_t                   n_threads,
                               const std::atomic<bool> & abort);

}  // namespace jina_reranker
