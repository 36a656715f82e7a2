#pragma once

// How many cores a process should compute with, from the files in which Linux describes them. Pure: the root folder is a
// parameter, so that tests can make one. Any thread.

#include <cstdint>
#include <set>
#include <string>

namespace jina_reranker {

// The allowed processors but those of efficiency cores, unless there are no others: the threads of a graph wait for each other,
// so the slowest sets the pace. `root` holds sys/ as Linux has it.
std::set<int32_t> performance_processors(const std::string & root, const std::set<int32_t> & allowed);

// The cores that these processors belong to: two hyper-threads are one core.
int32_t physical_cores(const std::string & root, const std::set<int32_t> & processors);

// The smallest CPU quota of the process's control groups and their ancestors, as far as they are visible, in whole
// cores and at least 1; 0 without a quota. Versions 1 and 2. `root` holds proc/ and the mounted groups.
int32_t quota_cores(const std::string & root);

}  // namespace jina_reranker
