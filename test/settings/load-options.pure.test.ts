import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { RerankError } from "../../src/errors.js";
import { documentLimit } from "../../src/reranker.js";
import { resolveLoadOptions } from "../../src/settings/load-options.js";
import { readSettings, type SettingName, settings } from "../../src/settings/table.js";

function failure(action: () => unknown): RerankError {
  try {
    action();
  } catch (error) {
    if (error instanceof RerankError) return error;
    throw error;
  }
  throw new Error("expected a RerankError, got none");
}

describe("options of Reranker.load", () => {
  test("are filled with the contract's defaults", () => {
    expect(resolveLoadOptions({ modelPath: join("models", "a.gguf") })).toEqual({
      modelPath: join("models", "a.gguf"),
      headPath: join("models", "mlp_weights.npz"),
      contextSize: 8192,
      backend: "auto",
      gpuLayers: 999,
      threads: 0,
      batchTokens: 0,
      precision: "auto",
      reproducible: "auto",
      flashAttention: "auto",
      kvType: "f16",
      maxQueuedPairs: 2000,
      documentCacheBytes: 1024 * 2 ** 20,
      scoreCacheBytes: 16 * 2 ** 20,
      deduplicate: true,
      maxDocuments: undefined,
    });
  });

  test("are taken as given, undefined counting as absent", () => {
    const given = {
      modelPath: "a.gguf",
      headPath: "b.npz",
      contextSize: 16,
      gpuLayers: 0,
      threads: 512,
      reproducible: "fast",
    } as const;
    expect(resolveLoadOptions(given)).toMatchObject(given);
    expect(Reflect.apply(resolveLoadOptions, undefined, [{ modelPath: "a", contextSize: undefined }])).toMatchObject({
      contextSize: 8192,
    });
  });

  test.each([
    [{}, "modelPath: expected the path of a GGUF file, got nothing"],
    [{ modelPath: "" }, 'modelPath: expected the path of a GGUF file, got ""'],
    [{ modelPath: "a\0b" }, 'modelPath: expected the path of a GGUF file, got "a\\u0000b"'],
    [{ contextSize: 15 }, "contextSize: expected a whole number from 16 to 1048576, got 15"],
    [{ contextSize: 16.5 }, "contextSize: expected a whole number from 16 to 1048576, got 16.5"],
    [{ contextSize: "8192" }, 'contextSize: expected a whole number from 16 to 1048576, got "8192"'],
    [{ contextSize: Number.NaN }, "contextSize: expected a whole number from 16 to 1048576, got NaN"],
    [{ gpuLayers: -1 }, "gpuLayers: expected a whole number from 0 to 9999, got -1"],
    [{ gpus: [] }, "gpus: expected different numbers from 0 to 63, or cpu, separated by commas, got an array"],
    [{ gpus: [0, 0] }, "gpus: expected different numbers from 0 to 63, or cpu, separated by commas, got an array"],
    [{ gpus: [0], gpuLayers: 0 }, "gpus: expected only cpu with gpuLayers 0, which is the CPU, got the number of a GPU"],
    [{ backend: "rocm" }, 'backend: expected one of auto, cpu, cuda, metal, vulkan, got "rocm"'],
    [{ backend: "vulkan", gpuLayers: 0 }, 'backend: expected auto or cpu with gpuLayers 0, got "vulkan"'],
    [{ threads: 513 }, "threads: expected a whole number from 1 to 512, or 0 for automatic, got 513"],
    [{ batchTokens: 63 }, "batchTokens: expected a whole number from 64 to 65536, or 0 for automatic, got 63"],
    [{ maxQueuedPairs: 0 }, "maxQueuedPairs: expected a whole number from 1 to 10000000, got 0"],
    [{ maxDocuments: [] }, "maxDocuments: expected a whole number from 1 to 1000000, got an array"],
    [{ reproducible: "yes" }, 'reproducible: expected one of auto, exact, fast, got "yes"'],
    [{ kvType: {} }, "kvType: expected one of f16, f32, q8_0, got an object"],
    [{ headPath: 3 }, "headPath: expected the path of an .npz file, got 3"],
    [{ onProgress: "x" }, 'onProgress: expected a function, got "x"'],
    [{ contextsize: 1 }, "contextsize: no such option; the nearest is contextSize"],
    [{ gpu_layers: 1 }, "gpu_layers: no such option; the nearest is gpuLayers"],
  ])("%j is refused by name, with what was expected and what came", (given, message) => {
    const options =
      Object.keys(given).includes("modelPath") || Object.keys(given).length === 0 ? given : { modelPath: "a", ...given };
    const error = failure(() => Reflect.apply(resolveLoadOptions, undefined, [options]));
    expect(error.code).toBe("invalid_option");
    expect(error.message).toBe(message);
  });

  test("never allow a request that is larger than the queue", () => {
    expect(documentLimit({ maxDocuments: undefined, maxQueuedPairs: 10 })).toBe(10);
    expect(documentLimit({ maxDocuments: 50, maxQueuedPairs: 10 }, 1000)).toBe(10);
    expect(documentLimit({ maxDocuments: 5, maxQueuedPairs: 10 }, 1000)).toBe(5);
  });
});

describe("settings", () => {
  const names: readonly SettingName[] = ["contextSize", "demo", "reproducible", "host", "modelPath"];

  test("a flag wins over its variable, a variable over the default, an empty variable counts as unset", () => {
    expect(readSettings(names, {}, {})).toEqual({
      contextSize: 8192,
      demo: false,
      reproducible: "auto",
      host: "0.0.0.0",
      modelPath: undefined,
    });
    const environment = { CTX_SIZE: "512", DEMO: "1", REPRODUCIBLE: "Exact", HOST: "", MODEL_PATH: "x.gguf" };
    expect(readSettings(names, { contextSize: "64" }, environment)).toEqual({
      contextSize: 64,
      demo: true,
      reproducible: "exact",
      host: "0.0.0.0",
      modelPath: "x.gguf",
    });
  });

  test.each([
    [{}, { CTX_SIZE: "8k" }, 'CTX_SIZE: expected a whole number from 16 to 1048576, got "8k"'],
    [{}, { CTX_SIZE: "-5" }, 'CTX_SIZE: expected a whole number from 16 to 1048576, got "-5"'],
    [{ contextSize: "1e3" }, {}, '--ctx-size: expected a whole number from 16 to 1048576, got "1e3"'],
    [{}, { DEMO: "maybe" }, 'DEMO: expected true or false, got "maybe"'],
    [{}, { REPRODUCIBLE: "2" }, 'REPRODUCIBLE: expected one of auto, exact, fast, got "2"'],
  ])("%j and %j: one line names the flag or variable, what is allowed and the value", (flags, environment, message) => {
    expect(failure(() => readSettings(names, flags, environment)).message).toBe(message);
  });

  test("GPUS is a list of different numbers, among them cpu as often as one likes", () => {
    const gpus = (text: string) => readSettings(["gpus"], { gpus: text }, {}).gpus;
    expect(readSettings(["gpus"], {}, {}).gpus).toBeUndefined();
    expect(gpus("0, 2,CPU,cpu")).toEqual([0, 2, "cpu", "cpu"]);
    for (const wrong of ["0,0", "0;1", ",", "-1", "64", "gpu"]) {
      expect(failure(() => gpus(wrong)).message).toBe(
        `--gpus: expected different numbers from 0 to 63, or cpu, separated by commas, got ${JSON.stringify(wrong)}`,
      );
    }
  });

  test("only the settings asked for are read, so a command is not stopped by a variable it does not use", () => {
    expect(readSettings(["contextSize"], {}, { PORT: "none" })).toEqual({ contextSize: 8192 });
  });

  test("no flag and no variable is used twice", () => {
    const rows = Object.values(settings);
    expect(new Set(rows.map(({ flag }) => flag)).size).toBe(rows.length);
    expect(new Set(rows.map(({ environment }) => environment)).size).toBe(rows.length);
  });
});
