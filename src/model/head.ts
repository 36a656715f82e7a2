/** Reads the score head from the published form: `mlp_weights.npz` with W1, b1, W2, b2 and logit_bias. */

import { readFile, stat } from "node:fs/promises";
import type { ScoreHead } from "../../binding.js";
import { RerankError } from "../errors.js";
import { folderInstead, mistakenFor } from "./local-file.js";
import { maximumBytes, type NpyArray, readNpz } from "./npz.js";

const names = ["W1", "b1", "W2", "b2", "logit_bias"] as const;
type Name = (typeof names)[number];

/**
 * Throws model_not_found when the file does not exist, and head_invalid, with the file and the array, for everything else. Takes
 * the width from W1; the engine checks that it fits the model.
 */
export async function readScoreHead(path: string): Promise<ScoreHead> {
  const arrays = parse(path, await read(path));
  const fail = (what: string): never => {
    throw new RerankError("head_invalid", `${path}: ${what}`);
  };
  const get = (name: Name): NpyArray => {
    const listed = [...arrays.keys()].join(", ") || "none";
    return arrays.get(name) ?? fail(`has no array ${name}; expected ${names.join(", ")}, got ${listed}`);
  };
  const check = (name: Name, ...expected: readonly (readonly number[])[]): Float32Array => {
    const { shape, values } = get(name);
    if (!expected.some((candidate) => candidate.join() === shape.join())) {
      fail(`array ${name} has shape ${tuple(shape)}, expected ${expected.map(tuple).join(" or ")}`);
    }
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) fail(`array ${name} holds ${values[bad]} at ${bad}, expected finite f32 numbers`);
    return values;
  };

  const { shape } = get("W1");
  const [width = 0] = shape;
  if (shape.length !== 2 || width === 0 || shape[1] !== width) {
    fail(`array W1 has shape ${tuple(shape)}, expected (n, n) with n the model's embedding length`);
  }
  const [b2 = 0] = check("b2", [1], []);
  const [logitBias = 0] = check("logit_bias", [1], []);
  return { w1: check("W1", [width, width]), b1: check("b1", [width]), w2: check("W2", [width, 1], [width]), b2, logitBias };
}

function tuple(shape: readonly number[]): string {
  return shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
}

async function read(path: string): Promise<Uint8Array> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new Error(await folderInstead(path, ".npz"));
    const { size } = found;
    // The path may name the GGUF by mistake. Its gigabytes are not read to find that out.
    if (size > maximumBytes) throw new Error(`${size} bytes, expected at most ${maximumBytes}: is it the score head?`);
    const bytes = await readFile(path);
    const mistaken = mistakenFor(bytes);
    if (mistaken !== undefined) throw new Error(mistaken);
    return bytes;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      const where = "expected the score head beside the GGUF; HEAD_PATH or headPath names another place";
      throw new RerankError("model_not_found", `${path}: no such file (${where})`, { cause: error });
    }
    throw invalid(path, error);
  }
}

function parse(path: string, bytes: Uint8Array): Map<string, NpyArray> {
  try {
    return readNpz(bytes, names);
  } catch (error) {
    throw invalid(path, error);
  }
}

function invalid(path: string, error: unknown): RerankError {
  return new RerankError("head_invalid", `${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
}
