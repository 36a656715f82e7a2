/** The machine's limit: operations a second of a large matrix product in ggml, on the threads the engine has. */

import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cpuThreads } from "./machine.mjs";

const libraries = join(dirname(fileURLToPath(import.meta.url)), "../build/Release");
const repeats = 5;

/**
 * The faster of F32 and F16.
 *
 * @param {{ threads: number, gpuLayers: number }} options
 * @returns {Promise<{ type: string, rate: number }>}
 */
export async function matrixProduct({ threads, gpuLayers }) {
  const program = join(libraries, "matmul-peak");
  if (!existsSync(program)) throw new Error(`${program} is not built: npm run build:native`);
  const args = [libraries, String(threads === 0 ? cpuThreads() : threads), String(repeats), ...(gpuLayers > 0 ? ["gpu"] : [])];
  const { stdout } = await promisify(execFile)(program, args);
  /** @type {{ f32: number, f16: number }} */
  const { f32, f16 } = JSON.parse(stdout);
  return f32 > f16 ? { type: "f32", rate: f32 } : { type: "f16", rate: f16 };
}
