/**
 * Runs code with the addon in a Node process of its own: code that may crash the process, or that needs process limits. The code
 * is the body of a module with `native`, `options` (for Engine.load), `codeOf` and, on Linux, `limit`.
 */

import { spawn } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { endedWithin } from "./command.js";
import type { ModelFiles } from "./random-models.js";

const dist = (file: string) => JSON.stringify(pathToFileURL(join(import.meta.dirname, "../../dist", file)).href);

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
}

/** @param shell sh commands that run before Node starts, for limits that hold from the start. */
export function runNative(files: ModelFiles, body: string, shell = ":"): Promise<Ended> {
  const prelude = `
    import { spawnSync } from "node:child_process";
    import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
    import { native } from ${dist("native/index.js")};
    import { readScoreHead } from ${dist("model/head.js")};
    const options = {
      modelPath: ${JSON.stringify(files.modelPath)}, head: await readScoreHead(${JSON.stringify(files.headPath)}),
      contextSize: 256, batchTokens: 64, backend: "cpu", gpuLayers: 0, threads: 1, reproducible: "auto",
      kvType: "f16", maxQueuedPairs: 10, documentCacheBytes: 0, scoreCacheBytes: 0, deduplicate: true,
    };
    /** Code and message of the error that an action fails with. */
    const codeOf = async (action) => {
      try {
        await action();
        return "no error";
      } catch (error) {
        return [error.code, error.message].join(" ");
      }
    };
    const megabyte = 2 ** 20;
    /** Limits how much more memory the process may map, or how long a file it may write. */
    const limit = (name, megabytes) => {
      const mapped = Number(readFileSync("/proc/self/status", "utf8").match(/VmSize:\\s+(\\d+)/)[1]) * 1024;
      const value = megabytes * megabyte + (name === "as" ? mapped : 0);
      const { status, stderr } = spawnSync("prlimit", ["--pid", String(process.pid), "--" + name + "=" + value + ":"]);
      if (status !== 0) throw new Error("prlimit: " + stderr);
    };`;
  const node = [process.execPath, "--input-type=module", "--eval", prelude + body];
  const child = spawn("sh", ["-c", `${shell}; exec "$@"`, "sh", ...node], { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, output }));
  });
  return endedWithin(child, ended, body);
}
