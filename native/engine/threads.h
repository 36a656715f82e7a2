#pragma once

// How many CPU threads to compute with.

#include <cstdint>

namespace jina_reranker {

// Physical cores among the processors this process may run on, at most what a cgroup's CPU quota gives it; at least 1.
int32_t default_thread_count();

}  // namespace jina_reranker
