/**
 * Whatever goes wrong in the addon is an error with a code, and the process lives on: memory that cannot be had, threads that
 * cannot be started, arguments that throw, disks that are full. Each in a process of its own, which an exception that leaves a
 * callback would end.
 */

import { copyFile, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runNative } from "../support/native-process.js";
import { type ModelFiles, randomModel, type Shape, wideShape } from "../support/random-models.js";

let directory: string;
let small: ModelFiles;
/** 400 MB. */
let large: ModelFiles;
/** Heads of 36 numbers, which the engine's attention does not compute. */
let odd: ModelFiles;
/** Heads of 40 numbers, which are no whole blocks of q8_0. */
let uneven: ModelFiles;

const oddShape: Shape = { ...wideShape, layers: 2, embeddingLength: 144, headLength: 36, feedForwardLength: 256 };
const unevenShape: Shape = { ...oddShape, embeddingLength: 160, headLength: 40 };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "jina-reranker-native-errors-"));
  // Copies: a conversion that goes wrong must not spoil what other tests read.
  const copy = async ({ modelPath, headPath }: ModelFiles, name: string) => {
    await copyFile(modelPath, join(directory, name));
    return { modelPath: join(directory, name), headPath };
  };
  small = await copy(await randomModel({ ...wideShape, layers: 2 }), "small.gguf");
  large = await randomModel({ ...wideShape, layers: 12, embeddingLength: 1024, feedForwardLength: 2048 });
  odd = await randomModel(oddShape);
  uneven = await randomModel(unevenShape);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

async function lines(files: ModelFiles, body: string, shell?: string): Promise<string[]> {
  const ended = await runNative(files, body, shell);
  expect(ended).toMatchObject({ code: 0, signal: null });
  return ended.output.trimEnd().split("\n");
}

describe("a load that fails", () => {
  it.runIf(process.platform === "linux")("for want of memory for the weights says so, and how much they are", async () => {
    const [load, again] = await lines(
      large,
      `limit("as", 300);
      console.log(await codeOf(() => native.Engine.load(options)));
      limit("as", 4000);
      const engine = await native.Engine.load(options);
      console.log((await engine.submit({ query: "q", documents: ["a"] }).result).scores.length);`,
    );
    expect(load).toMatch(/^out_of_memory /);
    expect(load).toContain(large.modelPath);
    expect(load).toMatch(/\d{9} bytes/);
    expect(load).toContain("PRECISION");
    expect(again).toBe("1");
  });

  it.runIf(process.platform === "linux")("for want of memory for the context says what to lower", async () => {
    const [load] = await lines(
      small,
      `limit("as", 400);
      console.log(await codeOf(() => native.Engine.load({ ...options, contextSize: 2 ** 20 })));`,
    );
    expect(load).toMatch(/^out_of_memory .*tokens/);
    expect(load).toContain("CTX_SIZE");
  });

  it("because of the model is not called a want of memory", async () => {
    const [load] = await lines(uneven, `console.log(await codeOf(() => native.Engine.load({ ...options, kvType: "q8_0" })));`);
    expect(load).toMatch(/^model_invalid .*q8_0/);
  });

  it("because the model has a shape that cannot be computed fails at once, not with each request", async () => {
    const [load] = await lines(odd, `console.log(await codeOf(() => native.Engine.load(options)));`);
    expect(load).toMatch(/^model_invalid .*heads have 36 numbers/);
  });

  it("because of its score head names what is wrong", async () => {
    const [short, endless, infinite] = await lines(
      small,
      `const { head } = options;
      const failure = (change) => codeOf(() => native.Engine.load({ ...options, head: { ...head, ...change } }));
      console.log(await failure({ w1: head.w1.subarray(1) }));
      console.log(await failure({ b1: new Float32Array(0) }));
      console.log(await failure({ b2: 3e38, logitBias: -3e38 }));`,
    );
    expect(short).toMatch(/^head_invalid .*w1 has \d+ numbers.*needs \d+/);
    expect(endless).toMatch(/^head_invalid .*b1 has 0 numbers/);
    expect(infinite).toMatch(/^head_invalid .*not finite/);
  });
});

describe.runIf(process.platform === "linux")("without memory", () => {
  it("for an argument's copy, every function fails with out_of_memory", async () => {
    const answers = await lines(
      small,
      `const engine = await native.Engine.load(options);
      const long = "x".repeat(200 * megabyte);
      const w1 = new Float32Array(64 * megabyte);
      long.charCodeAt(0);
      limit("as", 100);
      console.log(await codeOf(() => native.quantize(long, "y", "f16")));
      console.log(await codeOf(() => native.Engine.load({ ...options, head: { ...options.head, w1 } })));
      console.log(await codeOf(() => native.Engine.load({ ...options, modelPath: long })));
      console.log(await codeOf(() => native.inspect(long)));
      console.log(await codeOf(() => native.loadBackends(long)));
      console.log(await codeOf(() => native.loadBackend([long])));
      console.log(await codeOf(() => native.whyNotLoadable(long)));
      console.log(await codeOf(() => engine.tokenize(long)));
      console.log(await codeOf(() => engine.tokenizePair(long, long)));
      console.log(await codeOf(() => engine.submit({ query: long, documents: [long] })));
      console.log((await engine.submit({ query: "q", documents: ["a"] }).result).scores.length);`,
    );
    expect(answers.slice(0, -1)).toHaveLength(10);
    for (const answer of answers.slice(0, -1)) expect(answer).toMatch(/^out_of_memory /);
    expect(answers.at(-1)).toBe("1");
  });

  it("for a thread's stack, what needs one rejects, and a process with nothing to do ends", async () => {
    const answers = await lines(
      small,
      `const engine = await native.Engine.load(options);
      limit("as", 300);
      console.log(await codeOf(() => native.Engine.load(options)));
      console.log(await codeOf(() => native.quantize(options.modelPath, options.modelPath + ".none", "f16")));
      console.log(await codeOf(() => engine.close()));
      limit("as", 8000);
      await engine.close();
      console.log(await codeOf(() => engine.tokenize("a")));`,
      "ulimit -s 1000000",
    );
    expect(answers).toHaveLength(4);
    for (const answer of answers.slice(0, 3)) expect(answer).toMatch(/^engine_error no thread could be started: /);
    expect(answers[3]).toMatch(/^closed /);
  });
});

describe("threads to compute with", () => {
  it.runIf(process.platform === "linux")("that the system does not give fail the load, and the process lives on", async () => {
    const answers = await lines(
      small,
      `limit("as", 8000);
      console.log(await codeOf(() => native.Engine.load({ ...options, threads: 16 })));
      limit("as", 100000);
      const engine = await native.Engine.load({ ...options, threads: 2 });
      console.log((await engine.submit({ query: "q", documents: ["a"] }).result).scores.length);`,
      "ulimit -s 1000000",
    );
    expect(answers[0]).toMatch(/^engine_error thread \d+ of 16 could not be started: /);
    expect(answers[1]).toBe("1");
  });
});

describe("arguments", () => {
  it("that throw when they are read throw, or reject, just that", async () => {
    const answers = await lines(
      small,
      `const engine = await native.Engine.load(options);
      const mine = (what) => Object.assign(new Error(what), { code: "mine" });
      const trap = (object, key) => Object.defineProperty(object, key, { get() { throw mine(key); }, enumerable: true });
      const rejected = async (promise) => { try { await promise; return "no error"; } catch (error) { return error.code + " " + error.message; } };
      // Called outside of codeOf: a function that returns a promise does not throw.
      console.log(await rejected(native.Engine.load(trap({ ...options, kvType: undefined }, "kvType"))));
      console.log(await rejected(native.Engine.load({ ...options, head: trap({ ...options.head }, "w2") })));
      console.log(await rejected(native.Engine.load(new Proxy({}, { get(_, key) { throw mine(key); } }))));
      console.log(await rejected(native.Engine.load()));
      console.log(await rejected(native.Engine.load(options, 5)));
      console.log(await rejected(native.quantize("x", "y", "f16", trap({ threads: 1 }, "layers"))));
      console.log(await rejected(native.quantize({ toString() { throw mine("toString"); } }, "y", "f16")));
      console.log(await codeOf(() => engine.submit(trap({ query: "q" }, "documents"))));
      console.log(await codeOf(() => engine.submit({ query: "q", documents: trap(["a", "b"], 1) })));
      console.log(await codeOf(() => engine.submit({ query: "q", documents: new Proxy([], { get(_, key) { throw mine(String(key)); } }) })));
      const image = { width: 28, height: 28, hash: "h", rgb: new Uint8Array(3 * 28 * 28) };
      for (const key of Object.keys(image)) console.log(await codeOf(() => engine.submit({ query: trap({ ...image }, key), documents: ["a"] })));
      structuredClone(image.rgb.buffer, { transfer: [image.rgb.buffer] });
      console.log(await codeOf(() => engine.submit({ query: image, documents: ["a"] })));
      console.log(await codeOf(() => engine.submit({ query: "q", documents: ["a"], priority: Symbol("1") })));
      console.log((await engine.submit({ query: "q", documents: ["a"] }).result).scores.length);`,
    );
    expect(answers).toEqual([
      "mine kvType",
      "mine w2",
      "mine modelPath",
      "invalid_argument options: expected an object, got undefined",
      "invalid_argument onProgress: expected a function or undefined",
      "mine layers",
      "invalid_argument inputPath: expected a string, got an object",
      "mine documents",
      "mine 1",
      "invalid_argument documents: expected an array of strings and images, got an object",
      "mine width",
      "mine height",
      "mine hash",
      "mine rgb",
      expect.stringMatching(/^images_not_supported query: /),
      expect.stringMatching(/^invalid_argument priority: /),
      "1",
    ]);
  });

  it("of a claimed length or of giant strings are refused before they are copied", async () => {
    const answers = await lines(
      small,
      `const engine = await native.Engine.load(options);
      const endless = new Array(2 ** 32 - 1);
      const giant = "x".repeat(2 ** 29 - 24);
      console.log(await codeOf(() => engine.submit({ query: "q", documents: endless })));
      console.log(await codeOf(() => native.loadBackend(endless)));
      console.log(await codeOf(() => engine.submit({ query: giant, documents: ["a"] })));
      console.log(await codeOf(() => engine.submit({ query: "q", documents: ["a", giant] })));
      console.log(await codeOf(() => engine.tokenize(giant)));
      console.log(await codeOf(() => engine.tokenizePair("q", giant)));
      console.log((await engine.submit({ query: "q", documents: ["a"] }).result).scores.length);`,
    );
    expect(answers).toEqual([
      "invalid_argument documents[0]: expected a string or an image, got undefined",
      "invalid_argument libraries[0]: expected a string, got undefined",
      "invalid_argument query: expected at most 268435456 bytes of UTF-8, got 536870888",
      "invalid_argument documents[1]: expected at most 268435456 bytes of UTF-8, got 536870888",
      "invalid_argument text: expected at most 268435456 bytes of UTF-8, got 536870888",
      "invalid_argument document: expected at most 268435456 bytes of UTF-8, got 536870888",
      "1",
    ]);
  });

  it("do not matter to methods that are called on something else", async () => {
    const answers = await lines(
      small,
      `const { prototype } = native.Engine;
      for (const name of Object.getOwnPropertyNames(prototype)) {
        if (name === "constructor") continue;
        try {
          const { value, get } = Object.getOwnPropertyDescriptor(prototype, name);
          await Reflect.apply(value ?? get, {}, [{ query: "q", documents: ["a"] }]);
          console.log(name, "no error");
        } catch (error) {
          console.log(name, error instanceof Error);
        }
      }
      console.log(await codeOf(() => new native.Engine()));`,
    );
    expect(answers.length).toBeGreaterThanOrEqual(7);
    for (const answer of answers.slice(0, -1)) expect(answer).toMatch(/ true$/);
    expect(answers.at(-1)).toMatch(/^invalid_argument /);
  });
});

describe("quantize", () => {
  const listed = () => `const folder = ${JSON.stringify(directory)};
    const files = () => readdirSync(folder).filter((name) => name.includes("other")).join();`;

  it("refuses to write what it reads, under either name, and leaves it whole", async () => {
    const before = await readFile(small.modelPath);
    const answers = await lines(
      small,
      `import { linkSync, rmSync } from "node:fs";
      ${listed()}
      console.log(await codeOf(() => native.quantize(options.modelPath, options.modelPath, "f16")));
      linkSync(options.modelPath, folder + "/other.gguf.partial");
      console.log(await codeOf(() => native.quantize(options.modelPath, folder + "/other.gguf", "f16")));
      console.log(statSync(options.modelPath).size);
      rmSync(folder + "/other.gguf.partial");`,
    );
    expect(answers[0]).toMatch(/^invalid_argument outputPath: .* expected another one/);
    expect(answers[1]).toMatch(/^invalid_argument outputPath: .*\.partial /);
    expect(Number(answers[2])).toBe(before.length);
    expect((await readFile(small.modelPath)).equals(before)).toBe(true);
  });

  it("into a folder that does not exist says so", async () => {
    const [answer] = await lines(
      small,
      `console.log(await codeOf(() => native.quantize(options.modelPath, options.modelPath + "-none/other.gguf", "f16")));`,
    );
    expect(answer).toMatch(/^engine_error .*-none\/other\.gguf\.partial: cannot be written: No such file/);
  });

  it.runIf(process.platform === "linux")("onto a disk that is full fails and leaves nothing", async () => {
    const answers = await lines(
      small,
      `${listed()}
      process.on("SIGXFSZ", () => {});
      limit("fsize", 3);
      console.log(await codeOf(() => native.quantize(options.modelPath, folder + "/other.gguf", "f32")));
      console.log("left: " + files());`,
    );
    expect(answers[0]).toMatch(/^engine_error .*could not be quantized.*bytes are free on its disk/);
    expect(answers[1]).toBe("left:");
  });

  it("that a process ends in the middle of leaves nothing unfinished", async () => {
    const ended = await runNative(
      large,
      `${listed()}
      process.on("exit", () => console.log(existsSync(folder + "/other.gguf.partial") ? "unfinished" : "nothing"));
      void native.quantize(options.modelPath, folder + "/other.gguf", "q8_0");
      const begun = setInterval(() => {
        if (existsSync(folder + "/other.gguf.partial")) process.exit(9);
      }, 1);`,
    );
    // The addon's own listener, which waits for the thread, comes first.
    expect(ended).toEqual({ code: 9, signal: null, output: "nothing\n" });
    const [left] = await lines(
      large,
      `import { rmSync } from "node:fs"; ${listed()} console.log(files()); rmSync(folder + "/other.gguf");`,
    );
    expect(left).toBe("other.gguf");
  });
});

describe("after the process's `exit` event", () => {
  it("nothing starts a thread any more, and a closed engine stays closed", async () => {
    const before = new Set(await readdir(directory));
    const ended = await runNative(
      small,
      `const engine = await native.Engine.load(options);
      const output = ${JSON.stringify(join(directory, "late.gguf"))};
      const report = (name) => (error) => console.log(name, error?.code);
      process.on("exit", () => {
        native.quantize(options.modelPath, output, "f16").catch(report("quantize"));
        native.Engine.load(options).catch(report("load"));
        engine.close().then(report("close"));
        try { engine.submit({ query: "q", documents: ["a"] }); } catch (error) { report("submit")(error); }
        process._tickCallback(); // runs what the promises have to say: nothing does so after this event
      });`,
    );
    expect(ended).toEqual({ code: 0, signal: null, output: "submit closed\nquantize closed\nload closed\nclose undefined\n" });
    expect(new Set(await readdir(directory))).toEqual(before);
  });
});
