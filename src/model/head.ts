/** The score head as it is published: `mlp_weights.npz` with W1, b1, W2, b2 and logit_bias. */

import { readFile } from "node:fs/promises";
import type { ScoreHead } from "../../binding.js";
import { RerankError } from "../errors.js";
import { type NpyArray, readNpz } from "./npz.js";

const names = ["W1", "b1", "W2", "b2", "logit_bias"] as const;

/** Throws model_not_found when the file cannot be read, head_invalid for everything else that is wrong with it. */
export async function readScoreHead(path: string): Promise<ScoreHead> {
  const arrays = parse(path, await read(path));
  const fail = (what: string): never => {
    throw new RerankError("head_invalid", `${path}: ${what}`);
  };
  const get = (name: (typeof names)[number]): NpyArray => arrays.get(name) ?? fail(`has no array ${name}`);
  const check = (name: (typeof names)[number], shapes: number[][]): Float32Array => {
    const { shape, values } = get(name);
    if (!shapes.some((expected) => expected.join() === shape.join())) {
      fail(`array ${name} has shape (${shape.join(", ")}), expected ${shapes.map((expected) => `(${expected.join(", ")})`).join(" or ")}`);
    }
    if (!values.every(Number.isFinite)) fail(`array ${name} holds a number that is not finite`);
    return values;
  };

  const width = get("W1").shape[0] ?? 0;
  if (width === 0) fail("array W1 is empty");
  return {
    w1: check("W1", [[width, width]]),
    b1: check("b1", [[width]]),
    w2: check("W2", [[width, 1], [width]]),
    b2: check("b2", [[1], []])[0] ?? 0,
    logitBias: check("logit_bias", [[1], []])[0] ?? 0,
  };
}

async function read(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const reason = error instanceof Error && "code" in error && error.code === "ENOENT" ? "no such file" : String(error);
    throw new RerankError("model_not_found", `${path}: ${reason} (the score head lies beside the GGUF, or name it with headPath)`, {
      cause: error,
    });
  }
}

function parse(path: string, bytes: Uint8Array): Map<string, NpyArray> {
  try {
    return readNpz(bytes, names);
  } catch (error) {
    throw new RerankError("head_invalid", `${path}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}
