/** Facts about the machine and the version that is measured, for the results. */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { native } from "../dist/native/index.js";

/** @import { Results } from "./types.js" */

/** Physical cores: our engine's default number of threads. The rivals get the same number. */
export function cpuThreads() {
  try {
    const text = readFileSync("/proc/cpuinfo", "utf8");
    const cores = new Set(
      text
        .split("\n\n")
        .map((block) => ["physical id", "core id"].map((key) => block.match(`${key}\\s*: (\\d+)`)?.[1]).join(":")),
    );
    cores.delete(":");
    return Math.max(1, Math.min(cores.size || availableParallelism(), availableParallelism()));
  } catch {
    return availableParallelism();
  }
}

const graphics = () => native.backends().devices.find(({ type }) => type === "gpu" || type === "igpu");
const processor = () => cpus()[0]?.model.trim() ?? process.arch;

/** The name of the device that computes. */
export const deviceName = (/** @type {boolean} */ onCard) => (onCard ? graphics()?.description : undefined) ?? processor();

/** @returns {Results["machine"]} */
export function machine() {
  const { cpuFeatures } = native.backends();
  const gpu = graphics();
  return {
    cpu: processor(),
    cores: cpuThreads(),
    memoryBytes: totalmem(),
    features: cpuFeatures,
    device: gpu ? `${gpu.name}: ${gpu.description}` : "CPU",
    node: process.versions.node,
  };
}

/** Short hash of the commit, with "+" if files differ from it. Outside a repository, the variable COMMIT. */
export function commit() {
  const git = (/** @type {string[]} */ ...args) =>
    execFileSync("git", args, { cwd: dirname(fileURLToPath(import.meta.url)), encoding: "utf8", stdio: "pipe" }).trim();
  try {
    const changed = git("status", "--porcelain", "--untracked-files=no", "--", ":!results", ":!RESULTS.md", ":!../README.md");
    return git("rev-parse", "--short", "HEAD") + (changed === "" ? "" : "+");
  } catch {
    return process.env.COMMIT ?? "unknown";
  }
}

/**
 * @param {string} path
 * @returns {Promise<string>}
 */
export async function sha256(path) {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 22 })) hash.update(chunk);
  return hash.digest("hex");
}
