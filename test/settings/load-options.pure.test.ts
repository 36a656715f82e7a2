import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, test } from "vitest";
import { resolveLoadOptions } from "../../src/settings/load-options.js";
import { optionSettings, settings } from "../../src/settings/table.js";
import { failure } from "../support/failure.js";

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
      kvType: "f16",
      maxQueuedPairs: 2000,
      documentCacheBytes: 1024 * 2 ** 20,
      scoreCacheBytes: 16 * 2 ** 20,
      deduplicate: true,
      maxDocuments: undefined,
      maxImages: 20,
      imageLimits: { maxBytes: 10 * 2 ** 20, maxPixels: 50_000_000, maxTokens: 768, hosts: [] },
    });
  });

  test("name a vision tower, which gets the limits of images that are its own", () => {
    const given = {
      modelPath: "a.gguf",
      mmprojPath: "mmproj.gguf",
      imageMaxTokens: 256,
      imageCacheMb: 0,
      imageUrls: ["*"],
      imageMaxMb: 1,
    };
    const { vision, imageLimits } = resolveLoadOptions(given);
    expect(vision).toEqual({ mmprojPath: "mmproj.gguf", maxTokens: 256, cacheBytes: 0 });
    expect(imageLimits).toEqual({ maxBytes: 2 ** 20, maxPixels: 50_000_000, maxTokens: 256, hosts: ["*"] });
    expect(resolveLoadOptions({ modelPath: "a.gguf" }).vision).toBeUndefined();
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
    [{ gpus: [] }, "gpus: expected numbers from 0 to 63, or cpu, separated by commas, got an array"],
    [{ gpus: [0, 64] }, "gpus: expected numbers from 0 to 63, or cpu, separated by commas, got an array"],
    [{ gpus: [0], gpuLayers: 0 }, "gpus: expected only cpu with gpuLayers 0, which is the CPU, got the number of a GPU"],
    [{ backend: "rocm" }, 'backend: expected one of auto, cpu, cuda, metal, vulkan, got "rocm"'],
    [{ backend: "vulkan", gpuLayers: 0 }, 'backend: expected auto or cpu with gpuLayers 0, got "vulkan"'],
    [{ threads: 513 }, "threads: expected a whole number from 1 to 512, or 0 for automatic, got 513"],
    [{ batchTokens: 63 }, "batchTokens: expected a whole number from 64 to 65536, or 0 for automatic, got 63"],
    [{ maxQueuedPairs: 0 }, "maxQueuedPairs: expected a whole number from 1 to 10000000, got 0"],
    [{ maxDocuments: [] }, "maxDocuments: expected a whole number from 1 to 1000000, got an array"],
    [{ reproducible: "yes" }, 'reproducible: expected one of auto, exact, fast, got "yes"'],
    [{ kvType: {} }, "kvType: expected one of f16, f32, q8_0, got an object"],
    [{ mmprojPath: "" }, 'mmprojPath: expected the path of a GGUF file, got ""'],
    [
      { imageUrls: "*" },
      'imageUrls: expected hosts such as pages.example or *.pages.example, separated by commas, or *, got "*"',
    ],
    [{ images: true }, "images: no such option; the nearest is imageUrls"],
    [{ headPath: 3 }, "headPath: expected the path of an .npz file, got 3"],
    [{ onProgress: "x" }, 'onProgress: expected a function, got "x"'],
    [{ logger: null }, "logger: expected an object with the functions info and warn, got null"],
    [{ logger: { info() {} } }, "logger: expected an object with the functions info and warn, got an object"],
    [{ contextsize: 1 }, "contextsize: no such option; the nearest is contextSize"],
    [{ gpu_layers: 1 }, "gpu_layers: no such option; the nearest is gpuLayers"],
  ])("%j is refused by name, with what was expected and what came", (given, message) => {
    const options =
      Object.keys(given).includes("modelPath") || Object.keys(given).length === 0 ? given : { modelPath: "a", ...given };
    const error = failure(() => Reflect.apply(resolveLoadOptions, undefined, [options]));
    expect(error.code).toBe("invalid_option");
    expect(error.message).toBe(message);
  });

  test.each(optionSettings.map((name) => ({ name, value: settings[name].default, allowed: settings[name].kind.allowed })))(
    "$name is a setting too: its default is taken, and what its kind does not allow is refused",
    ({ name, value, allowed }) => {
      expect(resolveLoadOptions({ modelPath: "a.gguf", [name]: value })).toEqual(resolveLoadOptions({ modelPath: "a.gguf" }));
      const error = failure(() =>
        Reflect.apply(resolveLoadOptions, undefined, [{ modelPath: "a.gguf", [name]: { wrong: true } }]),
      );
      expect(error.message).toBe(`${name}: expected ${allowed}, got an object`);
    },
  );

  test.each([console, pino({ level: "silent" })])("take a logger that programs have", (logger) => {
    expect(resolveLoadOptions({ modelPath: "a.gguf", logger })).toEqual(resolveLoadOptions({ modelPath: "a.gguf" }));
  });
});
