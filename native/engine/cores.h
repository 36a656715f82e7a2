#pragma once

// How many cores a process may well compute with, decided from the files in which Linux says so. Pure: the root is a
// parameter, so that tests can make one.

#include <cstdint>
#include <set>
#include <string>

namespace jina_reranker {

// The processors a mask allows without those of efficiency cores, unless it allows no others: the threads of a graph wait
// for each other, and the slowest would set the pace. `root` holds sys/ as Linux has it.
std::set<int32_t> performance_processors(const std::string & root, const std::set<int32_t> & allowed);

// Two hyper-threads are one core.
int32_t physical_cores(const std::string & root, const std::set<int32_t> & processors);

// The smallest CPU quota of the process's control groups and all that hold them, as far as they are visible, in whole
// cores and at least 1; 0 without a quota. Versions 1 and 2. `root` holds proc/ and the mounted groups.
int32_t quota_cores(const std::string & root);

}  // namespace jina_reranker
