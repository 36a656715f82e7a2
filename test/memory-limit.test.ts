import { describe, expect, test } from "vitest";
import { smallestLimit } from "../src/server/memory-limit.js";

const gibibyte = 2 ** 30;
const second = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
const first = "36 32 0:31 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory";
const max = (path: string, bytes: number | string) => ({ [`/sys/fs/cgroup${path}/memory.max`]: `${bytes}\n` });
const old = (path: string, bytes: number | string) => ({
  [`/sys/fs/cgroup/memory${path}/memory.limit_in_bytes`]: `${bytes}\n`,
});

describe("the limit of memory", () => {
  test.each<[string, string, string, Record<string, string>, number | undefined]>([
    ["is none where there are no control groups", "", "", {}, undefined],
    ["is none where none is set", "0::/", second, max("/a", "max"), undefined],
    ["is the container's own group's", "0::/", second, max("", 2 * gibibyte), 2 * gibibyte],
    [
      "is the smallest of those around it (version 2)",
      "0::/pods/one/main",
      second,
      { ...max("/pods/one/main", "max"), ...max("/pods/one", gibibyte), ...max("/pods", 4 * gibibyte) },
      gibibyte,
    ],
    [
      "is the smallest of those around it (version 1)",
      "9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/",
      first,
      { ...old("/docker/abc", 3 * gibibyte), ...old("/docker", 2 * gibibyte), ...old("", "9223372036854771712") },
      2 * gibibyte,
    ],
    [
      "is found where the container's mount begins at its group",
      "4:memory:/docker/abc",
      first.replace("0:31 / /sys", "0:31 /docker/abc /sys"),
      old("", gibibyte),
      gibibyte,
    ],
    [
      "is the smaller one where both versions are mounted",
      "4:memory:/a\n0::/a",
      `${first}\n${second.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")}`,
      { ...old("/a", 2 * gibibyte), "/sys/fs/cgroup/unified/a/memory.max": String(gibibyte) },
      gibibyte,
    ],
    ["is none where version 1 writes its largest number", "4:memory:/", first, old("", "9223372036854771712"), undefined],
  ])("%s", (_, groups, mounts, files, expected) => {
    const all: Record<string, string> = { "/proc/self/cgroup": groups, "/proc/self/mountinfo": mounts, ...files };
    expect(smallestLimit((path) => all[path])).toBe(expected);
  });
});
