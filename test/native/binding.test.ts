/** binding.d.ts is the native contract: what it declares is what the addon exports, method by method. */

import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readScoreHead } from "../../src/model/head.js";
import * as exported from "../../src/native/index.js";
import { native } from "../../src/native/index.js";
import { randomMmproj, randomModel, wideShape } from "../support/random-models.js";

let declarations: string;

beforeAll(async () => {
  declarations = await readFile(join(import.meta.dirname, "../../binding.d.ts"), "utf8");
});

/** The text between the braces of a declaration. */
function bodyOf(declaration: string): string {
  const start = declarations.indexOf("{", declarations.indexOf(`${declaration} {`));
  return declarations.slice(start + 1, declarations.indexOf("\n}", start)).replace(/\/\*[\s\S]*?\*\//g, "");
}

/** Names of the members declared directly in a body. */
function members(declaration: string): string[] {
  return [...bodyOf(declaration).matchAll(/^ {2}(?:private |static |readonly )*(\w+)\??\s*[(:]/gm)]
    .map((match) => match[1] as string)
    .sort();
}

const ofEveryFunction = new Set(["length", "name", "prototype", "arguments", "caller"]);

describe("binding.d.ts", () => {
  it("declares the functions and classes that the addon exports, and no others", () => {
    const declared = [...declarations.matchAll(/^export (?:function|class) (\w+)/gm)].map((match) => match[1]);
    expect(Object.keys(native).sort()).toEqual(declared.sort());
  });

  it("is what `jina-reranker/native` exports", () => {
    const { native: _, ...rest } = exported;
    expect(Object.keys(rest).sort()).toEqual(Object.keys(native).sort());
  });

  it("declares the methods that Engine has", () => {
    const actual = [
      ...Object.getOwnPropertyNames(native.Engine.prototype),
      ...Object.getOwnPropertyNames(native.Engine).filter((name) => !ofEveryFunction.has(name)),
    ];
    expect([...new Set(actual)].sort()).toEqual(members("export class Engine"));
  });

  it("stands above what implements it in native/addon, signature by signature", async () => {
    const declared = [
      ...[...declarations.matchAll(/^export function (.+);$/gm)].map((match) => match[1] as string),
      ...["export class Engine", "export interface ScoreJob"].flatMap((type) =>
        [...bodyOf(type).matchAll(/^ {2}(\S.*);$/gm)].map((match) => match[1] as string),
      ),
    ].filter((signature) => signature !== "readonly result: Promise<ScoreResult>"); // a value, which nothing implements
    const folder = join(import.meta.dirname, "../../native/addon");
    const sources = await Promise.all((await readdir(folder)).map((file) => readFile(join(folder, file), "utf8")));
    const commented = sources.flatMap((source) => [
      ...source.matchAll(/^ *\/\/ ((?:(?:private|static) )?\w+\(.*\)(?:: .+)?|readonly \w+: .+)\n(.*)/gm),
    ]);
    expect(commented.map(([, signature]) => signature).sort()).toEqual(declared.sort());
    // A constructor and what is set as a value have no name of their own.
    const implementedBy = new Map([
      ["constructor", "EngineWrap::EngineWrap("],
      ["cancel", "&Engine::cancel"],
      ["stop", "&Engine::stop"],
    ]);
    for (const [, signature, implementation] of commented) {
      const name = (signature as string).match(/(\w+)[(:]/)?.[1] as string;
      const own = implementedBy.get(name);
      const inSnakeCase = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      expect(implementation, signature).toContain(own ?? `${inSnakeCase}(const Napi::CallbackInfo`);
    }
  });

  it("declares the fields of what the addon returns", async () => {
    const files = await randomModel({ ...wideShape, layers: 2 });
    const mmprojPath = await randomMmproj({
      ...{ layers: 1, embeddingLength: 64, headLength: 16, feedForwardLength: 128 },
      ...{ projectionLength: wideShape.embeddingLength, type: "f32", seed: 3 },
    });
    const engine = await native.Engine.load({
      modelPath: files.modelPath,
      head: await readScoreHead(files.headPath),
      contextSize: 256,
      batchTokens: 0,
      backend: "cpu",
      gpuLayers: 0,
      threads: 1,
      reproducible: "auto",
      kvType: "f16",
      maxQueuedPairs: 10,
      documentCacheBytes: 2 ** 24,
      scoreCacheBytes: 0,
      deduplicate: true,
      vision: { mmprojPath, maxTokens: 768, cacheBytes: 0 },
    });
    try {
      const job = engine.submit({ query: "q", documents: ["d"] });
      const fields = (value: object) => Object.keys(value).sort();
      expect(fields(job)).toEqual(members("export interface ScoreJob"));
      expect(fields(await job.result)).toEqual(members("export interface ScoreResult"));
      expect(job.cancel()).toBe(false);
      expect(job.stop()).toBe(false);
      const keepJob = engine.keep({ documents: ["d"] });
      expect(fields(keepJob)).toEqual(members("export interface KeepJob"));
      expect(fields(await keepJob.result)).toEqual(members("export interface KeepResult"));
      expect(keepJob.cancel()).toBe(false);
      expect(fields(engine.info)).toEqual(members("export interface EngineInfo"));
      expect(fields(engine.info.vision ?? {})).toEqual(members("export interface VisionInfo"));
      expect(fields(engine.info.memory[0] ?? {})).toEqual(members("export interface DeviceMemory"));
      expect(fields(engine.stats())).toEqual(members("export interface EngineStats"));
      expect(fields(engine.tokenizePair("q", "d"))).toEqual(members("export interface PromptTokens"));
      expect(fields(native.version())).toEqual(members("export interface Version"));
      expect(fields(native.backends())).toEqual(members("export interface Backends"));
      expect(fields(native.backends().devices[0] ?? {})).toEqual(members("export interface Device"));
      expect(engine.info).toMatchObject({
        architecture: "qwen2vl",
        layers: 2,
        embeddingLength: 512,
        reproducible: "exact",
        batchTokens: 512,
      });
    } finally {
      await engine.close();
    }
  });

  it("names every error code the engine has", async () => {
    const header = await readFile(join(import.meta.dirname, "../../native/engine/error.h"), "utf8");
    const declared = [
      ...declarations.slice(0, declarations.indexOf("export interface NativeError ")).matchAll(/^ {2}\| "(\w+)"/gm),
    ].map((match) => match[1]);
    const actual = [...header.matchAll(/return "(\w+)";/g)].map((match) => match[1]);
    expect([...new Set(actual)].sort()).toEqual(declared.sort());
  });

  it("arguments of the wrong kind are refused by name, and nothing is queued", async () => {
    const files = await randomModel({ ...wideShape, layers: 2 });
    const options = {
      modelPath: files.modelPath,
      head: await readScoreHead(files.headPath),
      contextSize: 256,
      batchTokens: 0,
      backend: "cpu",
      gpuLayers: 0,
      threads: 1,
      reproducible: "auto",
      kvType: "f16",
      maxQueuedPairs: 10,
      documentCacheBytes: 0,
      scoreCacheBytes: 0,
      deduplicate: true,
    } as const;
    const wrong: [object, RegExp][] = [
      [{ contextSize: 15 }, /contextSize: expected a whole number from 16/],
      [{ contextSize: 20.5 }, /contextSize/],
      [{ batchTokens: 3 }, /batchTokens/],
      [{ threads: -1 }, /threads/],
      [{ reproducible: "sometimes" }, /reproducible: expected one of "auto", "exact", "fast", got "sometimes"/],
      [{ kvType: 5 }, /kvType/],
      [{ modelPath: 5 }, /modelPath: expected a string, got the number 5/],
      [{ device: 1 }, /device: expected a string, got the number 1/],
      [{ device: "CUDA99" }, /device: expected one of .*\bCPU\b.*, got "CUDA99"/],
      [{ head: undefined }, /head: expected an object, got undefined/],
      [
        { vision: { mmprojPath: "a.gguf", maxTokens: 3, cacheBytes: 0 } },
        /vision\.maxTokens: expected a whole number from 4 to 768/,
      ],
      [{ vision: { mmprojPath: "", maxTokens: 768, cacheBytes: 0 } }, /vision\.mmprojPath: expected a path, got an empty string/],
      [{ vision: { mmprojPath: "a.gguf", maxTokens: 768 } }, /vision\.cacheBytes: expected a whole number from 0/],
    ];
    for (const [change, message] of wrong) {
      await expect(Reflect.apply(native.Engine.load, native.Engine, [{ ...options, ...change }])).rejects.toMatchObject({
        code: "invalid_argument",
        message: expect.stringMatching(message),
      });
    }
    const engine = await native.Engine.load(options);
    try {
      const submit = (request: unknown) => () => Reflect.apply(engine.submit, engine, [request]);
      expect(submit(undefined)).toThrow(/request: expected an object/);
      expect(submit({ query: 1, documents: ["a"] })).toThrow(/query: expected a string or an image, got the number 1/);
      expect(submit({ query: "q", documents: "a" })).toThrow(/documents: expected an array/);
      expect(submit({ query: "q", documents: [] })).toThrow(/documents: expected at least one/);
      expect(submit({ query: "q", documents: ["a"], instruction: 5 })).toThrow(
        /instruction: expected a string, got the number 5/,
      );
      expect(submit({ query: "q", documents: ["a", null] })).toThrow(/documents\[1\]: expected a string or an image, got null/);
      expect(engine.stats().jobsSubmitted).toBe(0);
    } finally {
      await engine.close();
    }
  });
});
