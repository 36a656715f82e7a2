/**
 * transformers on torch in bf16, if python3 has both. It has the same shape with random weights of its own, so its times can be
 * compared, but not its scores. It measures its time itself, so that the time does not include the pipe.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/** @import { DriverSettings, OpenDriver } from "../types.js" */

const program = join(dirname(fileURLToPath(import.meta.url)), "transformers_driver.py");
const python = process.env.PYTHON ?? "python3";

/** @returns {Promise<string | undefined>} */
export async function unavailable() {
  const { status, stderr, error } = spawnSync(python, ["-c", "import torch, transformers"], { encoding: "utf8" });
  if (status === 0) return undefined;
  return error ? error.message : (stderr.trim().split("\n").at(-1) ?? "torch and transformers cannot be imported");
}

/**
 * @param {DriverSettings} settings
 * @returns {Promise<OpenDriver>}
 */
export async function open({ shape, threads, gpuLayers }) {
  const child = spawn(python, [program], { stdio: ["pipe", "pipe", "inherit"] });
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
  const facts = await ask({ ...shape, threads, gpu: gpuLayers > 0 });
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
