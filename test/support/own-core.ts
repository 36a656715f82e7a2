/**
 * Set-up of the project `service`: a worker of vitest and what it starts have one core to themselves, so that files run side by
 * side without their engines' threads waiting for one another. On other systems than Linux they share the cores.
 */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** The cores of `0-3,6`, as the kernel writes a list. */
function cores(list: string): number[] {
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

if (process.platform === "linux") {
  const [, list = "0"] = readFileSync("/proc/self/status", "utf8").match(/^Cpus_allowed_list:\s*(.*)$/m) ?? [];
  const allowed = cores(list);
  const core = allowed[(Number(process.env.VITEST_POOL_ID ?? 1) - 1) % allowed.length];
  execFileSync("taskset", ["--all-tasks", "--cpu-list", "--pid", String(core), String(process.pid)]);
}
