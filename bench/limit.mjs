/**
 * The machine's limit: operations a second on the threads the engine has, of a large matrix product in ggml, or, where that is
 * more, of the processor's multiplications of bytes without any reading of memory.
 */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cpuThreads } from "./machine.mjs";

const libraries = join(dirname(fileURLToPath(import.meta.url)), "../build/Release");
const repeats = 5;

/**
 * The fastest of F32, F16 and int8.
 *
 * @param {{ threads: number, gpuLayers: number }} options
 * @returns {Promise<{ type: string, rate: number }>}
 */
export async function machineLimit({ threads, gpuLayers }) {
  const program = join(libraries, "matmul-peak");
  if (!existsSync(program)) throw new Error(`${program} is not built: npm run build:native`);
  const args = [libraries, String(threads === 0 ? cpuThreads() : threads), String(repeats), ...(gpuLayers > 0 ? ["gpu"] : [])];
  const { stdout } = await promisify(execFile)(program, args);
  const { device: _, ...rates } = /** @type {Record<string, unknown>} */ (JSON.parse(stdout));
  const [type, rate] = Object.entries(rates).sort(([, one], [, other]) => Number(other) - Number(one))[0] ?? [];
  if (type === undefined) throw new Error(`${program} printed no rate: ${stdout}`);
  return { type, rate: Number(rate) };
}
