#pragma once

// A device, ready to compute for one engine.

#include "ggml-cpp.h"
#include "threads.h"

#include <atomic>
#include <cstdint>

namespace jina_reranker {

// A CPU's computes with the first n_threads of these threads, and ends soon after `abort` is set. Both must stay. Throws
// backend_unavailable.
ggml_backend_ptr compute_backend(ggml_backend_dev_t        device,
                                 const ThreadPool &        threads,
                                 int32_t                   n_threads,
                                 const std::atomic<bool> & abort);

}  // namespace jina_reranker
