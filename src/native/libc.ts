/** Which C library this process runs on. There are packages for glibc and for musl, and one cannot load the other's libraries. */

import { closeSync, openSync, readSync } from "node:fs";

export type Libc = "glibc" | "musl";

/** What can be seen of a process. Each part may be unknown. */
export interface LibcSigns {
  /** Path of the program that loads the executable's libraries; of an executable started through it, the executable's own path. */
  readonly interpreter?: string | undefined;
  /** `header.glibcVersionRuntime` of Node's report. */
  readonly glibcVersion?: string | undefined;
  /** `sharedObjects` of Node's report. */
  readonly sharedObjects?: readonly string[] | undefined;
}

/**
 * The interpreter decides, because the kernel reads it too: Bun's report does not tell musl from glibc. undefined = unknown, as
 * for an executable that is linked statically.
 */
export function libcOf({ interpreter, glibcVersion, sharedObjects = [] }: LibcSigns): Libc | undefined {
  const loaders = [...(interpreter === undefined ? [] : [interpreter]), ...sharedObjects].map(
    (path) => path.split("/").at(-1) ?? "",
  );
  for (const name of loaders) {
    // musl is one file, which has all three names; glibc's libc.so is no library.
    if (/^(ld-musl-|libc\.musl-|libc\.so$)/.test(name)) return "musl";
    if (/^ld-linux|^ld64?\.so|^libc\.so\.6$/.test(name)) return "glibc";
  }
  return glibcVersion ? "glibc" : undefined;
}

const programHeaderOfInterpreter = 3;

/** The interpreter that the start of a 64-bit little-endian ELF file names; undefined = it names none there. */
export function elfInterpreter(head: Buffer): string | undefined {
  if (head.length < 64 || head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) return undefined;
  const [first, size, count] = [Number(head.readBigUInt64LE(32)), head.readUInt16LE(54), head.readUInt16LE(56)];
  for (let index = 0; index < count; index++) {
    const at = first + index * size;
    if (at + 40 > head.length) return undefined;
    if (head.readUInt32LE(at) !== programHeaderOfInterpreter) continue;
    const from = Number(head.readBigUInt64LE(at + 8));
    const text = head.subarray(from, from + Number(head.readBigUInt64LE(at + 32)));
    return text.toString("utf8").replace(/\0.*$/s, "") || undefined;
  }
  return undefined;
}

/** The C library of this process; undefined on other systems than Linux, and where nothing tells. */
export function processLibc(): Libc | undefined {
  if (process.platform !== "linux") return undefined;
  return libcOf({ interpreter: ownInterpreter() }) ?? libcOf(reported());
}

function ownInterpreter(): string | undefined {
  try {
    const head = Buffer.alloc(4096);
    const descriptor = openSync(process.execPath, "r");
    try {
      const length = readSync(descriptor, head, 0, head.length, 0);
      return elfInterpreter(head.subarray(0, length)) ?? process.execPath;
    } finally {
      closeSync(descriptor);
    }
  } catch {
    // Deno without leave to read.
    return undefined;
  }
}

function reported(): LibcSigns {
  const { report } = process;
  if (!report) return {};
  // Otherwise Node looks up the names of all its connections' addresses.
  const before: unknown = Reflect.get(report, "excludeNetwork");
  Reflect.set(report, "excludeNetwork", true);
  const value: unknown = report.getReport();
  Reflect.set(report, "excludeNetwork", before);
  if (typeof value !== "object" || value === null) return {};
  const header: unknown = "header" in value ? value.header : undefined;
  const version: unknown =
    typeof header === "object" && header !== null && "glibcVersionRuntime" in header ? header.glibcVersionRuntime : undefined;
  const objects: unknown = "sharedObjects" in value ? value.sharedObjects : undefined;
  return {
    glibcVersion: typeof version === "string" ? version : undefined,
    sharedObjects: Array.isArray(objects) ? objects.filter((path) => typeof path === "string") : undefined,
  };
}
