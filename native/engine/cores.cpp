#include "cores.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

namespace jina_reranker {

namespace {

// A list such as "0-3,8,10-11"; empty without the file.
std::set<int32_t> processor_list(const std::string & path) {
    std::set<int32_t> processors;
    std::ifstream     file(path);
    std::string       range;
    while (std::getline(file, range, ',')) {
        std::istringstream text(range);
        int32_t            first = 0;
        if (!(text >> first)) {
            break;
        }
        int32_t last = first;
        if (text.peek() == '-') {
            text.get();
            text >> last;
        }
        for (int32_t processor = first; processor <= last; ++processor) {
            processors.insert(processor);
        }
    }
    return processors;
}

std::string processor_folder(const std::string & root, int32_t processor) {
    return root + "/sys/devices/system/cpu/cpu" + std::to_string(processor) + "/";
}

// A mounted hierarchy of control groups that can limit the CPU, and the process's group in it.
struct Hierarchy {
    bool        v2;
    std::string mount_point;
    std::string mounted;  // the group that the mount point shows
    std::string path;     // the process's group
};

bool lists(const std::string & comma_separated, const std::string & word) {
    return ("," + comma_separated + ",").find("," + word + ",") != std::string::npos;
}

// The group of this process. A line of /proc/self/cgroup is "id:controllers:/path"; that of version 2 has no controllers.
std::optional<std::string> group_of_process(const std::string & root, bool v2) {
    std::ifstream file(root + "/proc/self/cgroup");
    std::string   line;
    while (std::getline(file, line)) {
        const size_t first = line.find(':');
        const size_t next  = first == std::string::npos ? first : line.find(':', first + 1);
        if (next == std::string::npos) {
            continue;
        }
        const std::string controllers = line.substr(first + 1, next - first - 1);
        if (v2 ? controllers.empty() : lists(controllers, "cpu")) {
            return line.substr(next + 1);
        }
    }
    return std::nullopt;
}

// Lines of mountinfo: id parent device root mount-point options … - type source super-options.
std::vector<Hierarchy> hierarchies(const std::string & root) {
    std::vector<Hierarchy> found;
    std::ifstream          file(root + "/proc/self/mountinfo");
    std::string            line;
    while (std::getline(file, line)) {
        std::istringstream text(line);
        std::string        skipped;
        Hierarchy          hierarchy{};
        text >> skipped >> skipped >> skipped >> hierarchy.mounted >> hierarchy.mount_point;
        while (text >> skipped && skipped != "-") {
        }
        std::string type;
        std::string options;
        text >> type >> skipped >> options;
        hierarchy.v2 = type == "cgroup2";
        if (!text || (!hierarchy.v2 && (type != "cgroup" || !lists(options, "cpu")))) {
            continue;
        }
        if (const auto path = group_of_process(root, hierarchy.v2)) {
            hierarchy.path = *path;
            found.push_back(hierarchy);
        }
    }
    return found;
}

// The quota of one group, in cores.
std::optional<double> quota_of(const std::string & folder, bool v2) {
    double quota  = 0;
    double period = 0;
    bool   read   = false;
    if (v2) {
        std::ifstream file(folder + "/cpu.max");  // "<quota> <period>" in microseconds, or "max <period>"
        read = static_cast<bool>(file >> quota >> period);
    } else {
        read = std::ifstream(folder + "/cpu.cfs_quota_us") >> quota &&
               std::ifstream(folder + "/cpu.cfs_period_us") >> period;
    }
    return read && quota > 0 && period > 0 ? std::optional(quota / period) : std::nullopt;
}

// The process's group as a path below the mount point. A container often mounts its own group, while its processes still see
// the host's path of it: then the group is the mount point itself.
std::string path_below(const Hierarchy & hierarchy) {
    const std::string & mounted = hierarchy.mounted;
    const std::string & path    = hierarchy.path;
    if (mounted == "/") {
        return path == "/" ? "" : path;
    }
    const bool inside =
        path.compare(0, mounted.size(), mounted) == 0 && (path.size() == mounted.size() || path[mounted.size()] == '/');
    return inside ? path.substr(mounted.size()) : "";
}

}  // namespace

std::set<int32_t> performance_processors(const std::string & root, const std::set<int32_t> & allowed) {
    // Hybrid Intel processors list both kinds; Arm gives each processor a capacity, the fastest 1024.
    const std::set<int32_t>    fast = processor_list(root + "/sys/devices/cpu_core/cpus");
    std::map<int32_t, int32_t> capacities;
    int32_t                    highest = 0;
    for (const int32_t processor : allowed) {
        int32_t capacity = 0;
        std::ifstream(processor_folder(root, processor) + "cpu_capacity") >> capacity;
        capacities[processor] = capacity;
        highest               = std::max(highest, capacity);
    }
    std::set<int32_t> chosen;
    for (const int32_t processor : allowed) {
        const bool is_fast = fast.empty() ? capacities[processor] * 2 >= highest : fast.count(processor) > 0;
        if (is_fast) {
            chosen.insert(processor);
        }
    }
    return chosen.empty() ? allowed : chosen;
}

int32_t physical_cores(const std::string & root, const std::set<int32_t> & processors) {
    std::set<std::pair<int32_t, int32_t>> cores;
    for (const int32_t processor : processors) {
        const std::string topology = processor_folder(root, processor) + "topology/";
        int32_t           package  = 0;
        int32_t           core     = 0;
        if (std::ifstream(topology + "physical_package_id") >> package && std::ifstream(topology + "core_id") >> core) {
            cores.emplace(package, core);
        }
    }
    return static_cast<int32_t>(cores.empty() ? processors.size() : cores.size());
}

int32_t quota_cores(const std::string & root) {
    std::optional<double> smallest;
    for (const Hierarchy & hierarchy : hierarchies(root)) {
        const std::string mount_point = root + hierarchy.mount_point;
        std::string       path        = path_below(hierarchy);
        while (true) {
            const auto quota = quota_of(mount_point + path, hierarchy.v2);
            if (quota && (!smallest || *quota < *smallest)) {
                smallest = quota;
            }
            if (path.empty()) {
                break;
            }
            path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
        }
    }
    return smallest ? std::max(1, static_cast<int32_t>(std::min(*smallest, 1e6))) : 0;
}

}  // namespace jina_reranker
