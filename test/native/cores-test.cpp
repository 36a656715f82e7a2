// How many cores are counted, on machines made of files: quotas of both versions of control groups, nested and in
// containers, hyper-threads, and efficiency cores.

#include "check.h"
#include "cores.h"
#include "error.h"
#include "threads.h"

#include <filesystem>
#include <fstream>

using namespace jina_reranker;

namespace {

// A root folder with files; the destructor removes it.
class Machine {
  public:
    Machine() :
        root_(std::filesystem::temp_directory_path() / ("cores-" + std::to_string(reinterpret_cast<uintptr_t>(this)))) {
        std::filesystem::remove_all(root_);
    }

    ~Machine() { std::filesystem::remove_all(root_); }

    Machine(const Machine &)             = delete;
    Machine & operator=(const Machine &) = delete;
    Machine(Machine &&)                  = delete;
    Machine & operator=(Machine &&)      = delete;

    Machine & file(const std::string & path, const std::string & text) {
        const std::filesystem::path whole = root_ / path;
        std::filesystem::create_directories(whole.parent_path());
        std::ofstream(whole) << text << "\n";
        return *this;
    }

    Machine & group(const std::string & line) { return file("proc/self/cgroup", line); }

    Machine & mounts(const std::string & lines) { return file("proc/self/mountinfo", lines); }

    Machine & processor(int32_t number, const std::string & name, int32_t value) {
        return file("sys/devices/system/cpu/cpu" + std::to_string(number) + "/" + name, std::to_string(value));
    }

    std::string root() const { return root_.string(); }

  private:
    std::filesystem::path root_;
};

constexpr const char * kV2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate";
constexpr const char * kV1 = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct";

void has_no_quota_without_groups() {
    const Machine machine;
    CHECK_EQUAL(quota_cores(machine.root()), 0);
}

void takes_a_quota_of_version_2() {
    Machine machine;
    machine.mounts(kV2).group("0::/");
    CHECK_EQUAL(quota_cores(machine.root()), 0);
    machine.file("sys/fs/cgroup/cpu.max", "max 100000");
    CHECK_EQUAL(quota_cores(machine.root()), 0);
    machine.file("sys/fs/cgroup/cpu.max", "350000 100000");
    CHECK_EQUAL(quota_cores(machine.root()), 3);
    machine.file("sys/fs/cgroup/cpu.max", "20000 100000");
    CHECK_EQUAL(quota_cores(machine.root()), 1);
}

void takes_the_smallest_of_nested_groups() {
    Machine machine;
    machine.mounts(kV2).group("0::/user.slice/app.slice/rerank.service");
    machine.file("sys/fs/cgroup/user.slice/app.slice/rerank.service/cpu.max", "max 100000");
    machine.file("sys/fs/cgroup/user.slice/app.slice/cpu.max", "200000 100000");
    machine.file("sys/fs/cgroup/user.slice/cpu.max", "600000 100000");
    CHECK_EQUAL(quota_cores(machine.root()), 2);
    machine.file("sys/fs/cgroup/user.slice/cpu.max", "100000 100000");
    CHECK_EQUAL(quota_cores(machine.root()), 1);
}

void takes_a_quota_of_version_1() {
    Machine machine;
    machine.mounts(kV1).group("4:memory:/\n3:cpu,cpuacct:/jobs/7\n1:name=systemd:/");
    machine.file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1");
    machine.file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
    machine.file("sys/fs/cgroup/cpu,cpuacct/jobs/7/cpu.cfs_quota_us", "-1");
    machine.file("sys/fs/cgroup/cpu,cpuacct/jobs/7/cpu.cfs_period_us", "100000");
    CHECK_EQUAL(quota_cores(machine.root()), 0);
    machine.file("sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_quota_us", "150000");
    machine.file("sys/fs/cgroup/cpu,cpuacct/jobs/cpu.cfs_period_us", "50000");
    CHECK_EQUAL(quota_cores(machine.root()), 3);
}

// Docker mounts the container's group as the root, while the process sees the host's path of it.
void takes_a_containers_own_group() {
    Machine machine;
    machine.mounts("700 699 0:29 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu").group("3:cpu:/docker/abc");
    machine.file("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000");
    machine.file("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000");
    CHECK_EQUAL(quota_cores(machine.root()), 2);
    machine.group("3:cpu:/docker/abcdef");
    CHECK_EQUAL(quota_cores(machine.root()), 2);
}

void takes_both_versions_side_by_side() {
    Machine machine;
    machine.mounts(std::string(kV1) + "\n38 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw")
        .group("3:cpu,cpuacct:/\n0::/a");
    machine.file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000");
    machine.file("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
    CHECK_EQUAL(quota_cores(machine.root()), 4);
    machine.file("sys/fs/cgroup/unified/a/cpu.max", "300000 100000");
    CHECK_EQUAL(quota_cores(machine.root()), 3);
}

void counts_two_hyper_threads_once() {
    Machine machine;
    for (int32_t processor = 0; processor < 4; ++processor) {
        machine.processor(processor, "topology/physical_package_id", 0);
        machine.processor(processor, "topology/core_id", processor % 2);
    }
    CHECK_EQUAL(physical_cores(machine.root(), { 0, 1, 2, 3 }), 2);
    CHECK_EQUAL(physical_cores(machine.root(), { 0, 2 }), 1);
    CHECK_EQUAL(physical_cores(machine.root(), { 8, 9, 10 }), 3);
}

void leaves_out_efficiency_cores_of_intel() {
    Machine machine;
    machine.file("sys/devices/cpu_core/cpus", "0-3,6").file("sys/devices/cpu_atom/cpus", "4-5,7-11");
    using Processors = std::set<int32_t>;
    CHECK(performance_processors(machine.root(), { 0, 1, 3, 4, 5, 6, 7 }) == (Processors{ 0, 1, 3, 6 }));
    CHECK(performance_processors(machine.root(), { 4, 5 }) == (Processors{ 4, 5 }));
}

void leaves_out_efficiency_cores_of_arm() {
    Machine machine;
    for (int32_t processor = 0; processor < 8; ++processor) {
        machine.processor(processor, "cpu_capacity", processor < 4 ? 290 : processor < 7 ? 800 : 1024);
    }
    using Processors = std::set<int32_t>;
    CHECK(performance_processors(machine.root(), { 0, 1, 2, 3, 4, 5, 6, 7 }) == (Processors{ 4, 5, 6, 7 }));
    CHECK(performance_processors(machine.root(), { 0, 1 }) == (Processors{ 0, 1 }));
}

void counts_at_least_one_here() {
    CHECK(default_thread_count() >= 1);
}

}  // namespace

int main() {
    return check::run({
        { "has no quota without groups", has_no_quota_without_groups },
        { "takes a quota of version 2", takes_a_quota_of_version_2 },
        { "takes the smallest of nested groups", takes_the_smallest_of_nested_groups },
        { "takes a quota of version 1", takes_a_quota_of_version_1 },
        { "takes a container's own group", takes_a_containers_own_group },
        { "takes both versions side by side", takes_both_versions_side_by_side },
        { "counts two hyper-threads once", counts_two_hyper_threads_once },
        { "leaves out efficiency cores of Intel's hybrids", leaves_out_efficiency_cores_of_intel },
        { "leaves out efficiency cores of Arm", leaves_out_efficiency_cores_of_arm },
        { "counts at least one here", counts_at_least_one_here },
    });
}
