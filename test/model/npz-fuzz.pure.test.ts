/**
 * A damaged score head is read, or refused with head_invalid, in bounded memory. FUZZ_SECONDS sets how long the fuzzing runs,
 * FUZZ_SEED where it starts.
 */

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { RerankError } from "../../src/errors.js";
import { readScoreHead } from "../../src/model/head.js";
import { damagedHead } from "../fuzz/npz.js";

const seconds = Number(process.env.FUZZ_SECONDS ?? 2);
const firstSeed = Number(process.env.FUZZ_SEED ?? 1);
const mebibyte = 1024 * 1024;

let path: string;
beforeAll(async () => {
  path = join(await mkdtemp(join(tmpdir(), "jina-reranker-npz-fuzz-")), "mlp_weights.npz");
});
afterAll(() => rm(join(path, ".."), { recursive: true, force: true }));

async function outcome(bytes: Uint8Array): Promise<string> {
  await writeFile(path, bytes);
  try {
    const { w1, b1, w2 } = await readScoreHead(path);
    return w1.length === b1.length ** 2 && w2.length === b1.length ? "read" : `read as ${w1.length}, ${b1.length}, ${w2.length}`;
  } catch (error) {
    return error instanceof RerankError && error.code === "head_invalid" ? "refused" : `threw ${String(error)}`;
  }
}

describe("a damaged score head", () => {
  it("is read whole, or refused as head_invalid", { timeout: (seconds + 60) * 1000 }, async () => {
    const counts = new Map<string, number>();
    const before = process.resourceUsage().maxRSS;
    const end = performance.now() + seconds * 1000;
    for (let seed = firstSeed; performance.now() < end; seed++) {
      const result = await outcome(damagedHead(seed));
      if (result !== "read" && result !== "refused") expect.fail(`seed ${seed}: ${result}`);
      counts.set(result, (counts.get(result) ?? 0) + 1);
    }
    console.log(`npz: ${[...counts].map(([result, count]) => `${count} ${result}`).join(", ")}`);
    expect(counts.get("read")).toBeGreaterThan(0);
    expect(counts.get("refused")).toBeGreaterThan(0);
    expect((process.resourceUsage().maxRSS - before) / 1024).toBeLessThan(512);
  });

  it("that claims more than deflate can hold is refused before memory is allocated for it", async () => {
    const bytes = Buffer.from(zipSync({ "W1.npy": new Uint8Array(1000) }, { level: 6 }));
    // The size in the directory, behind the signature.
    bytes.writeUInt32LE(500 * mebibyte, bytes.indexOf("PK\x01\x02", 0, "latin1") + 24);
    await writeFile(path, bytes);
    await expect(readScoreHead(path)).rejects.toThrow("W1.npy claims 524288000 bytes");
  });
});
