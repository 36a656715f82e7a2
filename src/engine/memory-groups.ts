/**
 * How much memory this process may have, and how much of it is left, by its control group and all groups around that, of
 * version 1 or 2, as far as a container shows them. Node's own figure knows only the innermost group.
 */

import { readFileSync } from "node:fs";
import { freemem } from "node:os";
import { posix } from "node:path";

/** Gives a file's text; undefined = it cannot be read. */
export type Read = (path: string) => string | undefined;

/** Bytes. `usedBytes` leaves out the page cache's inactive part, which the kernel gives back when memory is wanted. */
export interface MemoryGroup {
  readonly limitBytes: number;
  readonly usedBytes: number;
}

/** The smallest limit, in bytes; undefined = no group has one. */
export function memoryLimit(groups = memoryGroups()): number | undefined {
  return groups.length > 0 ? Math.min(...groups.map(({ limitBytes }) => limitBytes)) : undefined;
}

/** Bytes that are left: of the system's memory or of a group's, whichever is less. */
export function freeMemory(systemBytes = freemem(), groups = memoryGroups()): number {
  return Math.max(0, Math.min(systemBytes, ...groups.map(({ limitBytes, usedBytes }) => limitBytes - usedBytes)));
}

/** The groups that have a limit, the process's own first. */
export function memoryGroups(read: Read = readSystemFile): readonly MemoryGroup[] {
  return [...mounts(read)].flatMap(({ mountPoint, group, files }) =>
    outwards(group).flatMap((path) => {
      const text = (file: string) => read(posix.join(mountPoint, path, file))?.trim() || "";
      const limitBytes = Number(text(files.limit) || Number.NaN);
      // Version 2 writes "max" for no limit, and version 1 the largest multiple of a page below 2^63.
      if (!(limitBytes > 0 && limitBytes < 2 ** 62)) return [];
      const [, inactive = "0"] = new RegExp(`^${files.inactive} (\\d+)$`, "m").exec(text("memory.stat")) ?? [];
      return [{ limitBytes, usedBytes: Math.max(0, Number(text(files.used)) - Number(inactive)) }];
    }),
  );
}

function readSystemFile(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // The system is not Linux, has no such controller, or hides the file.
    return undefined;
  }
}

const first = { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", inactive: "total_inactive_file" };
const second = { limit: "memory.max", used: "memory.current", inactive: "inactive_file" };

interface Mount {
  readonly mountPoint: string;
  /** Path of the process's group, below the mount point. */
  readonly group: string;
  readonly files: typeof first;
}

/** Finds the process's group in each version that is mounted. See proc(5): a dash ends mountinfo's optional fields. */
function* mounts(read: Read): Generator<Mount> {
  const groups = (read("/proc/self/cgroup") ?? "").split("\n").map((line) => line.split(":"));
  for (const line of (read("/proc/self/mountinfo") ?? "").split("\n")) {
    const [fields = "", source = ""] = line.split(" - ");
    const [, , , mountRoot, mountPoint] = fields.split(" ");
    const [type, , options = ""] = source.split(" ");
    if (mountRoot === undefined || mountPoint === undefined) continue;
    const isFirst = type === "cgroup" && options.split(",").includes("memory");
    if (!isFirst && type !== "cgroup2") continue;
    const own = groups.find(([, controllers]) => (isFirst ? controllers?.split(",").includes("memory") : controllers === ""));
    const path = own?.slice(2).join(":") ?? "/";
    // In a container, the mount may begin at the process's own group, whose path is then the one outside the container.
    const group = path.startsWith(mountRoot) ? path.slice(mountRoot.length) : "/";
    yield { mountPoint, group, files: isFirst ? first : second };
  }
}

/** The path, then its parents up to the root. */
function outwards(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return parts.map((_, index) => parts.slice(0, parts.length - index).join("/")).concat("");
}
