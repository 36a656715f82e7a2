/**
 * How much memory the process may have: the smallest limit of its control group and of all groups around it, version 1 or 2,
 * as far as they can be seen from inside a container. Node's own figure knows the innermost group alone.
 */

import { readFileSync } from "node:fs";
import { join, posix } from "node:path";

/** A file's text; undefined when there is none. */
type Read = (path: string) => string | undefined;

function read(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No Linux, no such controller, or not for us to see.
    return undefined;
  }
}

/** Bytes; undefined = no limit is known. `root` is for tests. */
export function memoryLimit(root = "/"): number | undefined {
  return smallestLimit((path) => read(join(root, path)));
}

/** Version 1 writes the largest multiple of a page below 2^63 for no limit. */
const unlimited = 2 ** 62;

export function smallestLimit(read: Read): number | undefined {
  const limits = [...mounts(read)].flatMap(({ mountPoint, group, file }) =>
    ancestors(group).flatMap((path) => {
      const bytes = Number(read(posix.join(mountPoint, path, file))?.trim() || Number.NaN);
      return bytes > 0 && bytes < unlimited ? [bytes] : [];
    }),
  );
  return limits.length > 0 ? Math.min(...limits) : undefined;
}

interface Mount {
  readonly mountPoint: string;
  /** Below the mount point. */
  readonly group: string;
  readonly file: "memory.max" | "memory.limit_in_bytes";
}

/** Where the process's group lies, of each version that is mounted. See proc(5): mountinfo's optional fields end with a dash. */
function* mounts(read: Read): Generator<Mount> {
  const groups = (read("/proc/self/cgroup") ?? "").split("\n").map((line) => line.split(":"));
  for (const line of (read("/proc/self/mountinfo") ?? "").split("\n")) {
    const [fields = "", source = ""] = line.split(" - ");
    const [, , , mountRoot, mountPoint] = fields.split(" ");
    const [type, , options = ""] = source.split(" ");
    if (mountRoot === undefined || mountPoint === undefined) continue;
    const first = type === "cgroup" && options.split(",").includes("memory");
    if (!first && type !== "cgroup2") continue;
    const own = groups.find(([, controllers]) => (first ? controllers?.split(",").includes("memory") : controllers === ""));
    const path = own?.slice(2).join(":") ?? "/";
    // In a container the mount may begin at the process's own group, which is then named from outside.
    const group = path.startsWith(mountRoot) ? path.slice(mountRoot.length) : "/";
    yield { mountPoint, group, file: first ? "memory.limit_in_bytes" : "memory.max" };
  }
}

/** Itself first, the root last. */
function ancestors(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return parts.map((_, index) => parts.slice(0, parts.length - index).join("/")).concat("");
}
