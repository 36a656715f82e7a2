/** What memory there is, from cgroups' files as Linux writes them, and which precision follows. */

import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { decide } from "../src/precision/decision.js";
import { freeBytes, memoryGroups } from "../src/precision/free-memory.js";

const gib = 2 ** 30;

async function system(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), "jina-reranker-cgroup-"));
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), content);
  }
  return root;
}

describe("the groups of this process", () => {
  it("are those of cgroup v2 with a limit, from its own outwards; page cache of files is no use of memory", async () => {
    const root = await system({
      "proc/self/cgroup": "0::/kube/pod/box\n",
      "sys/fs/cgroup/kube/pod/box/memory.max": "max\n",
      "sys/fs/cgroup/kube/pod/box/memory.current": "5000\n",
      "sys/fs/cgroup/kube/pod/memory.max": `${2 * gib}\n`,
      "sys/fs/cgroup/kube/pod/memory.current": `${gib}\n`,
      "sys/fs/cgroup/kube/pod/memory.stat": `anon 12\ninactive_file ${gib / 2}\nactive_file 7\n`,
      "sys/fs/cgroup/kube/memory.max": `${64 * gib}\n`,
      "sys/fs/cgroup/kube/memory.current": `${4 * gib}\n`,
    });
    expect(await memoryGroups(root)).toEqual([
      { limitBytes: 2 * gib, usedBytes: gib / 2 },
      { limitBytes: 64 * gib, usedBytes: 4 * gib },
    ]);
  });

  it("is the root of the mount in a container, which does not see the path that it is told", async () => {
    const root = await system({
      "proc/self/cgroup": "0::/../../outside\n",
      "sys/fs/cgroup/memory.max": `${gib}\n`,
      "sys/fs/cgroup/memory.current": "0\n",
    });
    expect(await memoryGroups(root)).toEqual([{ limitBytes: gib, usedBytes: 0 }]);
  });

  it("are those of cgroup v1's memory controller", async () => {
    const root = await system({
      "proc/self/cgroup": "12:cpu,cpuacct:/docker/a\n5:memory:/docker/a\n1:name=systemd:/\n",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": `${3 * gib}\n`,
      "sys/fs/cgroup/memory/memory.usage_in_bytes": `${gib}\n`,
      "sys/fs/cgroup/memory/memory.stat": `inactive_file 1\ntotal_inactive_file ${gib}\n`,
    });
    expect(await memoryGroups(root)).toEqual([{ limitBytes: 3 * gib, usedBytes: 0 }]);
  });

  it("are none where there are no cgroups", async () => {
    expect(await memoryGroups(await system({}))).toEqual([]);
  });
});

test.each([
  { systemBytes: 8 * gib, groups: [], free: 8 * gib },
  { systemBytes: 8 * gib, groups: [{ limitBytes: 2 * gib, usedBytes: gib }], free: gib },
  { systemBytes: gib, groups: [{ limitBytes: 64 * gib, usedBytes: gib }], free: gib },
  { systemBytes: 8 * gib, groups: [{ limitBytes: gib, usedBytes: 2 * gib }], free: 0 },
])("the tightest counts: $free of $systemBytes and $groups", ({ systemBytes, groups, free }) => {
  expect(freeBytes(systemBytes, groups)).toBe(free);
});

describe("the precision that follows from times and memory", () => {
  const needed = { f16: 4 * gib, q8_0: 2 * gib };
  it.each([
    { what: "the fastest", rates: { file: 10, f16: 20, q8_0: 15 }, free: 8 * gib, precision: "f16", reason: /^2\.00 x/ },
    {
      what: "the next where there is no room",
      rates: { file: 10, f16: 20, q8_0: 15 },
      free: 3 * gib,
      precision: "q8_0",
      reason: /^1\.50 x/,
    },
    {
      what: "the file's where there is room for none",
      rates: { file: 10, f16: 20, q8_0: 15 },
      free: gib,
      precision: "file",
      reason: /^not enough memory now for f16, which needs 4\.0 GiB or q8_0, which needs 2\.0 GiB: 1\.0 GiB are free/,
    },
    {
      what: "the file's where it is as fast",
      rates: { file: 10, f16: 10.4 },
      free: 8 * gib,
      precision: "file",
      reason: /^the file's own are/,
    },
    {
      what: "none that cannot be computed here",
      rates: { file: 10, bf16: 30 },
      free: 8 * gib,
      precision: "file",
      reason: /^the file's own are/,
    },
  ] as const)("is $what", ({ rates, free, precision, reason }) => {
    expect(decide(rates, needed, free)).toEqual({ precision, reason: expect.stringMatching(reason) });
  });
});
