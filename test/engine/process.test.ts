/**
 * What only a process of its own can show: it exits by itself after loading and scoring, it ends cleanly in the middle of a
 * decode, and two worker threads, each of which loads the addon, do not disturb each other.
 */

import { spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { endedWithin } from "../support/command.js";
import { type ModelFiles, randomModel, wideShape } from "../support/random-models.js";

const library = pathToFileURL(join(import.meta.dirname, "../../dist/index.js")).href;
let files: ModelFiles;

beforeAll(async () => {
  files = await randomModel(wideShape);
});

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  output: string;
}

/** Runs the source of a module in a Node process of its own. */
function run(source: string): Promise<Ended> {
  const options = JSON.stringify({ ...files, contextSize: 2048, batchTokens: 64, gpuLayers: 0 });
  const prelude = `import { Reranker } from ${JSON.stringify(library)};\nconst options = ${options};\n`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", prelude + source], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  const ended = new Promise<Ended>((resolve) => child.on("close", (code, signal) => resolve({ code, signal, output })));
  return endedWithin(child, ended, source);
}

const long = `Array.from({ length: 100 }, (_, i) => "a long document about things ".repeat(60) + i)`;

describe("a process", () => {
  it("that loads and scores exits by itself, without close", async () => {
    const ended = await run(`
      const reranker = await Reranker.load(options);
      const { scores } = await reranker.score({ query: "q", documents: ["a", "b"] });
      console.log(scores.length);`);
    expect(ended).toEqual({ code: 0, signal: null, output: "2\n" });
  });

  it("stays alive until its scores are there", async () => {
    const ended = await run(`
      const reranker = await Reranker.load(options);
      reranker.score({ query: "q", documents: ["a"] }).then(() => console.log("scored"));`);
    expect(ended).toEqual({ code: 0, signal: null, output: "scored\n" });
  });

  it("that exits in the middle of a decode ends with its own code", async () => {
    const script = `
      const reranker = await Reranker.load({ ...options, batchTokens: 512 });
      reranker.score({ query: "q", documents: ${long} });
      while (reranker.stats().batches === 0) await new Promise(setImmediate);
      setTimeout(() => process.exit(7), 100);`;
    // A thread that is left would use libraries while they are unloaded, but not every time.
    for (let attempt = 0; attempt < 6; attempt++) expect(await run(script)).toEqual({ code: 7, signal: null, output: "" });
  });

  it("that exits while a model is being loaded ends with its own code", async () => {
    const ended = await run(`Reranker.load(options); setImmediate(() => process.exit(8));`);
    expect(ended).toEqual({ code: 8, signal: null, output: "" });
  });

  it("that exits while an engine is being closed ends with its own code", async () => {
    const ended = await run(`
      const reranker = await Reranker.load({ ...options, batchTokens: 512 });
      reranker.score({ query: "q", documents: ${long} }).catch(() => {});
      while (reranker.stats().batches === 0) await new Promise(setImmediate);
      void reranker.close();
      setImmediate(() => process.exit(9));`);
    expect(ended).toEqual({ code: 9, signal: null, output: "" });
  });

  it("that drops its engines without closing them neither leaks threads nor crashes", async () => {
    const ended = await run(`
      for (let i = 0; i < 5; i++) await (await Reranker.load({ ...options, contextSize: 64 })).score({ query: "q", documents: ["a"] });
      console.log("done");`);
    expect(ended).toEqual({ code: 0, signal: null, output: "done\n" });
  });

  it("reports what a progress callback throws as an uncaught exception", async () => {
    const ended = await run(`await Reranker.load({ ...options, onProgress() { throw new Error("mine"); } });`);
    expect(ended.code).toBe(1);
    expect(ended.output).toContain("mine");
  });
});

describe("worker threads", () => {
  const worker = (body: string) => `
      import { Worker } from "node:worker_threads";
      const source = \`
        import { parentPort } from "node:worker_threads";
        import { Reranker } from ${JSON.stringify(library)};
        const options = \${JSON.stringify(options)};
        ${body}
      \`;
      const start = () => new Worker(new URL("data:text/javascript," + encodeURIComponent(source)));
    `;

  it("load and score side by side, with the same scores", async () => {
    const ended = await run(`${worker(`
        const reranker = await Reranker.load(options);
        const { scores } = await reranker.score({ query: "q", documents: ["a", "b", "c"] });
        parentPort.postMessage(Array.from(scores).join());`)}
      const answers = await Promise.all([start(), start()].map((w) => new Promise((resolve, reject) => {
        w.on("error", reject);
        w.on("message", (message) => w.on("exit", () => resolve(message)));
      })));
      console.log(new Set(answers).size, answers[0].split(",").length);`);
    expect(ended).toEqual({ code: 0, signal: null, output: "1 3\n" });
  });

  // Each ends the worker while a thread of the addon works; the process then scores.
  it.each([
    ["a load", `Reranker.load(options); parentPort.postMessage("");`],
    ["a load, at its first progress", `Reranker.load({ ...options, onProgress() { parentPort.postMessage(""); } });`],
    [
      "a close",
      `const reranker = await Reranker.load(options);
        reranker.score({ query: "q", documents: ${long.replaceAll("`", "")} }).catch(() => {});
        while (reranker.stats().batches === 0) await new Promise(setImmediate);
        void reranker.close();
        parentPort.postMessage("");`,
    ],
    [
      "a conversion",
      `const { native } = await import(${JSON.stringify(new URL("native/index.js", library).href)});
        native.quantize(options.modelPath, options.modelPath + ".terminated", "q8_0");
        parentPort.postMessage("");`,
    ],
  ])("can be terminated in the middle of %s", async (_what, body) => {
    const ended = await run(`${worker(body)}
      for (let attempt = 0; attempt < 4; attempt++) {
        const w = start();
        await new Promise((resolve, reject) => { w.once("message", resolve); w.on("error", reject); });
        await w.terminate();
      }
      const reranker = await Reranker.load(options);
      console.log((await reranker.score({ query: "q", documents: ["a"] })).scores.length);`);
    expect(ended).toEqual({ code: 0, signal: null, output: "1\n" });
    await rm(`${files.modelPath}.terminated`, { force: true });
  });

  it("can be terminated in the middle of a decode", async () => {
    const ended = await run(`${worker(`
        const reranker = await Reranker.load(options);
        reranker.score({ query: "q", documents: ${long.replaceAll("`", "")} });
        while (reranker.stats().batches === 0) await new Promise(setImmediate);
        parentPort.postMessage("decoding");`)}
      const w = start();
      await new Promise((resolve, reject) => { w.on("message", resolve); w.on("error", reject); });
      await w.terminate();
      const reranker = await Reranker.load(options);
      console.log((await reranker.score({ query: "q", documents: ["a"] })).scores.length);`);
    expect(ended).toEqual({ code: 0, signal: null, output: "1\n" });
  });
});
