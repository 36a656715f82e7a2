/** The memory that is left, by the files of control groups as Linux writes them. */

import { describe, expect, test } from "vitest";
import { freeMemory, type MemoryGroup, memoryGroups, memoryLimit } from "../../src/engine/memory-groups.js";

const gib = 2 ** 30;
const second = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
const first = "36 32 0:31 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory";

type Files = Readonly<Record<string, string>>;

const v2 = (path: string, limit: number | string, used = 0, inactive = 0): Files => ({
  [`/sys/fs/cgroup${path}/memory.max`]: `${limit}\n`,
  [`/sys/fs/cgroup${path}/memory.current`]: `${used}\n`,
  [`/sys/fs/cgroup${path}/memory.stat`]: `anon 12\ninactive_file ${inactive}\nactive_file 7\n`,
});
const v1 = (path: string, limit: number | string, used = 0, inactive = 0): Files => ({
  [`/sys/fs/cgroup/memory${path}/memory.limit_in_bytes`]: `${limit}\n`,
  [`/sys/fs/cgroup/memory${path}/memory.usage_in_bytes`]: `${used}\n`,
  [`/sys/fs/cgroup/memory${path}/memory.stat`]: `inactive_file 1\ntotal_inactive_file ${inactive}\n`,
});

describe("the groups of this process with a limit", () => {
  test.each<[string, string, string, Files, MemoryGroup[]]>([
    ["are none where there are no control groups", "", "", {}, []],
    ["are none where none is set", "0::/", second, v2("/a", "max"), []],
    ["are none where version 1 writes its largest number", "4:memory:/", first, v1("", "9223372036854771712"), []],
    [
      "are those of version 2 from its own outwards; page cache of files is no use of memory",
      "0::/kube/pod/box",
      second,
      { ...v2("/kube/pod/box", "max", 5000), ...v2("/kube/pod", 2 * gib, gib, gib / 2), ...v2("/kube", 64 * gib, 4 * gib) },
      [
        { limitBytes: 2 * gib, usedBytes: gib / 2 },
        { limitBytes: 64 * gib, usedBytes: 4 * gib },
      ],
    ],
    [
      "are those of version 1's memory controller",
      "9:name=systemd:/\n4:cpu,memory:/docker/abc\n0::/",
      first,
      { ...v1("/docker/abc", 3 * gib, gib, gib), ...v1("/docker", 2 * gib), ...v1("", "9223372036854771712") },
      [
        { limitBytes: 3 * gib, usedBytes: 0 },
        { limitBytes: 2 * gib, usedBytes: 0 },
      ],
    ],
    [
      "are found where the container's mount begins at its group",
      "4:memory:/docker/abc",
      first.replace("0:31 / /sys", "0:31 /docker/abc /sys"),
      v1("", gib),
      [{ limitBytes: gib, usedBytes: 0 }],
    ],
    [
      "are the mount's root in a container, which does not see the path that it is told",
      "0::/../../outside",
      second.replace("0:26 / /sys", "0:26 /../.. /sys"),
      v2("", gib),
      [{ limitBytes: gib, usedBytes: 0 }],
    ],
    [
      "are those of both versions where both are mounted",
      "4:memory:/a\n0::/a",
      `${first}\n${second.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")}`,
      { ...v1("/a", 2 * gib), "/sys/fs/cgroup/unified/a/memory.max": String(gib) },
      [
        { limitBytes: 2 * gib, usedBytes: 0 },
        { limitBytes: gib, usedBytes: 0 },
      ],
    ],
  ])("%s", (_, groups, mounts, files, expected) => {
    const all: Files = { "/proc/self/cgroup": groups, "/proc/self/mountinfo": mounts, ...files };
    expect(memoryGroups((path) => all[path])).toEqual(expected);
  });
});

test.each([
  { systemBytes: 8 * gib, groups: [], limit: undefined, free: 8 * gib },
  { systemBytes: 8 * gib, groups: [{ limitBytes: 2 * gib, usedBytes: gib }], limit: 2 * gib, free: gib },
  { systemBytes: gib, groups: [{ limitBytes: 64 * gib, usedBytes: gib }], limit: 64 * gib, free: gib },
  { systemBytes: 8 * gib, groups: [{ limitBytes: gib, usedBytes: 2 * gib }], limit: gib, free: 0 },
  {
    systemBytes: 8 * gib,
    groups: [
      { limitBytes: 4 * gib, usedBytes: 3 * gib },
      { limitBytes: 3 * gib, usedBytes: 0 },
    ],
    limit: 3 * gib,
    free: gib,
  },
])("the tightest counts: $free free of $systemBytes and $groups", ({ systemBytes, groups, limit, free }) => {
  expect(memoryLimit(groups)).toBe(limit);
  expect(freeMemory(systemBytes, groups)).toBe(free);
});
