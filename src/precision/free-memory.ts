/**
 * Memory this process may still take. A container's limit counts where there is one, also that of a group around it; what
 * its page cache holds of files is given back when it is wanted, and so counts as free.
 */

import { readFile } from "node:fs/promises";
import { freemem } from "node:os";
import { join, posix } from "node:path";

export interface MemoryGroup {
  readonly limitBytes: number;
  readonly usedBytes: number;
}

export async function freeMemory(): Promise<number> {
  return freeBytes(freemem(), await memoryGroups());
}

/** The tightest of the system and all groups. */
export function freeBytes(systemBytes: number, groups: readonly MemoryGroup[]): number {
  return Math.max(0, Math.min(systemBytes, ...groups.map(({ limitBytes, usedBytes }) => limitBytes - usedBytes)));
}

interface Version {
  /** Of its line in /proc/self/cgroup. */
  readonly controllers: RegExp;
  readonly mount: string;
  readonly files: { readonly limit: string; readonly used: string; readonly inactive: string };
}

const versions: readonly Version[] = [
  {
    controllers: /^0::(.*)$/m,
    mount: "sys/fs/cgroup",
    files: { limit: "memory.max", used: "memory.current", inactive: "inactive_file" },
  },
  {
    controllers: /^\d+:(?:[^:\n]*,)?memory(?:,[^:\n]*)?:(.*)$/m,
    mount: "sys/fs/cgroup/memory",
    files: { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", inactive: "total_inactive_file" },
  },
];

/** The groups of this process with a limit, of cgroup v1 and v2, from its own outwards; none where there are no cgroups. */
export async function memoryGroups(root = "/"): Promise<readonly MemoryGroup[]> {
  const own = await readFile(join(root, "proc/self/cgroup"), "utf8").catch(() => "");
  const found: MemoryGroup[] = [];
  for (const { controllers, mount, files } of versions) {
    const path = controllers.exec(own)?.[1];
    if (path === undefined) continue;
    for (const group of outwards(path)) {
      const read = (name: string) => readFile(join(root, mount, group, name), "utf8").catch(() => "");
      const limitBytes = Number.parseInt(await read(files.limit), 10);
      const usedBytes = Number.parseInt(await read(files.used), 10);
      // "max", or a group that is not visible from within the container.
      if (Number.isNaN(limitBytes) || Number.isNaN(usedBytes)) continue;
      const inactive = new RegExp(`^${files.inactive} (\\d+)$`, "m").exec(await read("memory.stat"))?.[1];
      found.push({ limitBytes, usedBytes: Math.max(0, usedBytes - Number(inactive ?? 0)) });
    }
  }
  return found;
}

/** A container sees its own group as the root of the mount, whatever its path says: the root is always looked at. */
function outwards(path: string): string[] {
  const groups = [posix.normalize(`/${path}`)];
  for (let group = groups[0] ?? "/"; group !== "/"; ) {
    group = posix.dirname(group);
    groups.push(group);
  }
  return groups;
}
