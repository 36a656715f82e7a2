/**
 * Runs the package for linux-arm64 under QEMU's user emulation (Debian: g++-aarch64-linux-gnu, qemu-user-static), on processors
 * for different variants of the CPU backend. Scores are close to this machine's, and bit for bit the same alone and in a batch.
 * Build the package first: node native/prebuild/build.mjs linux-arm64.
 */

import { spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { Reranker } from "../../src/reranker.js";
import { ended } from "../support/command.js";
import { otherNode } from "../support/other-node.js";
import { randomModel, wideShape } from "../support/random-models.js";

const root = join(import.meta.dirname, "..", "..");
const libraries = join(root, "build", "packages", "linux-arm64", "prebuilds", "linux-arm64");
const systemRoot = "/usr/aarch64-linux-gnu";
const emulator = ["qemu-aarch64-static", "qemu-aarch64"].find((name) => spawnSync(name, ["--version"]).status === 0);

function whatIsMissing(): string | undefined {
  if (!existsSync(libraries)) return "the package is not built";
  if (emulator === undefined) return "no qemu-aarch64";
  return existsSync(systemRoot) ? undefined : `no ${systemRoot}`;
}

const missing = whatIsMissing();

const nodeVersion = "20.20.2";
const compiled = (name: string) => JSON.stringify(pathToFileURL(join(root, "dist", name)).href);

const program = `
  const { Reranker } = await import(${compiled("index.js")});
  const { native } = await import(${compiled("native/index.js")});
  const { options, request } = JSON.parse(process.argv[1]);
  const reranker = await Reranker.load(options);
  const { logits } = await reranker.score(request);
  const alone = await reranker.score({ ...request, documents: request.documents.slice(-1) });
  process.stdout.write(JSON.stringify({ logits: [...logits], alone: alone.logits[0], features: native.backends().cpuFeatures }));
  await reranker.close();`;

const request = {
  query: "which of them is it about?",
  documents: ["a short one", "a document of a few more words than the first ".repeat(3), "", "Straße, naïve, 東京 ".repeat(8)],
};

describe.skipIf(missing !== undefined)(`linux-arm64${missing ? `, not tested: ${missing}` : ""}`, () => {
  it.each([
    { cpu: "cortex-a53", has: "NEON", lacks: "DOTPROD" },
    { cpu: "cortex-a76", has: "DOTPROD", lacks: "SVE" },
    // SVE's vectors have 128 bits in Neoverse V2 (Graviton 4, Grace), 256 in Neoverse V1 (Graviton 3).
    { cpu: "max,sve-max-vq=1", has: "MATMUL_INT8", lacks: "SME" },
    { cpu: "max,sve-max-vq=2", has: "MATMUL_INT8", lacks: "SME" },
  ])("scores as x64 does on $cpu, with $has and without $lacks", { timeout: 600_000 }, async ({ cpu, has, lacks }) => {
    const files = await randomModel({ ...wideShape, layers: 2 }, "f16");
    const options = { ...files, contextSize: 1024, batchTokens: 256, threads: 1, documentCacheMb: 0, scoreCacheMb: 0 };
    await using reranker = await Reranker.load({ ...options, backend: "cpu" });
    const expected = [...(await reranker.score(request)).logits];

    const node = await otherNode(nodeVersion, "arm64");
    const args = ["-cpu", cpu, "-L", systemRoot, node, "--input-type=module", "-e", program];
    const child = spawn(emulator ?? "", [...args, JSON.stringify({ options, request })], {
      env: { ...process.env, JINA_RERANKER_NATIVE: libraries },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const { code, stdout, stderr } = await ended(child, 540_000);
    expect([code, stderr]).toEqual([0, ""]);
    const answer: { logits: number[]; alone: number; features: string[] } = JSON.parse(stdout);
    expect(answer.features).toContain(has);
    expect(answer.features).not.toContain(lacks);
    const largest = Math.max(...expected.map((logit, index) => Math.abs(logit - (answer.logits[index] ?? Number.NaN))));
    expect(Math.max(...expected) - Math.min(...expected)).toBeGreaterThan(4e-2);
    expect(largest).toBeLessThan(2e-2);
    expect(answer.alone).toBe(answer.logits.at(-1));
  });
});
