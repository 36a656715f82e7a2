/**
 * How much memory this process may have, and still take: by its control group and all groups around it, version 1 or 2, as
 * far as they can be seen from inside a container. Node's own figure knows the innermost group alone.
 */

import { readFileSync } from "node:fs";
import { freemem } from "node:os";
import { posix } from "node:path";

/** A file's text; undefined when there is none. */
export type Read = (path: string) => string | undefined;

/** Bytes. What the page cache holds of files is given back when it is wanted, and so is not used. */
export interface MemoryGroup {
  readonly limitBytes: number;
  readonly usedBytes: number;
}

/** The smallest limit, in bytes; undefined = there is none. */
export function memoryLimit(groups = memoryGroups()): number | undefined {
  return groups.length > 0 ? Math.min(...groups.map(({ limitBytes }) => limitBytes)) : undefined;
}

/** Bytes: the least that is left of the system's memory and of any group's. */
export function freeMemory(systemBytes = freemem(), groups = memoryGroups()): number {
  return Math.max(0, Math.min(systemBytes, ...groups.map(({ limitBytes, usedBytes }) => limitBytes - usedBytes)));
}

/** Those with a limit, the process's own first. */
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
    // No Linux, no such controller, or not for us to see.
    return undefined;
  }
}

const first = { limit: "memory.limit_in_bytes", used: "memory.usage_in_bytes", inactive: "total_inactive_file" };
const second = { limit: "memory.max", used: "memory.current", inactive: "inactive_file" };

interface Mount {
  readonly mountPoint: string;
  /** Below the mount point. */
  readonly group: string;
  readonly files: typeof first;
}

/** Where the process's group lies, of each version that is mounted. See proc(5): mountinfo's optional fields end with a dash. */
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
    // In a container the mount may begin at the process's own group, which is then named from outside.
    const group = path.startsWith(mountRoot) ? path.slice(mountRoot.length) : "/";
    yield { mountPoint, group, files: isFirst ? first : second };
  }
}

/** Itself first, the root last. */
function outwards(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return parts.map((_, index) => parts.slice(0, parts.length - index).join("/")).concat("");
}
