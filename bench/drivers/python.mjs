/**
 * A rival in Python: a program that reads lines of JSON, first the model's shape, then requests as token ids, and answers each.
 * Its weights are random and its own, so its times can be compared, but not its scores. It measures its time itself, so that the
 * time does not include the pipe.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** @import { DriverSettings, OpenDriver } from "../types.js" */

const here = dirname(fileURLToPath(import.meta.url));
const python = process.env.PYTHON ?? "python3";

/**
 * Why python3 cannot import these modules; undefined = it can.
 *
 * @param {readonly string[]} modules
 * @returns {string | undefined}
 */
export function whyNotImportable(modules) {
  const { status, stderr, error } = spawnSync(python, ["-c", `import ${modules.join(", ")}`], { encoding: "utf8" });
  if (status === 0) return undefined;
  if (error) return error.message;
  const missing = stderr.match(/No module named '(\w+)'/)?.[1];
  return missing ? `${missing} is not installed` : (stderr.trim().split("\n").at(-1) ?? `${modules.join(", ")}: not importable`);
}

/**
 * @param {string} program A file of this folder.
 * @param {DriverSettings} settings
 * @returns {Promise<OpenDriver>}
 */
export async function openPython(program, { shape, threads, gpuLayers, compiled = false }) {
  const child = spawn(python, [join(here, program)], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child, "spawn");
  process.on("exit", () => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  /** @param {object} question */
  const ask = async (question) => {
    child.stdin.write(`${JSON.stringify(question)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error(`${program} ended`);
    return JSON.parse(value);
  };
  const facts = await ask({ ...shape, threads, gpu: gpuLayers > 0, compiled });
  return {
    pid: child.pid ?? process.pid,
    facts,
    async score({ pairs }) {
      /** @type {{ seconds: number, logits: number[] }} */
      const { seconds, logits } = await ask({ pairs: pairs.map((pair) => [...pair]) });
      return { kind: "logits", logits, seconds };
    },
    async close() {
      const closed = once(child, "close");
      child.stdin.end();
      await closed;
    },
  };
}
