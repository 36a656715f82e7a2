/** Checks the library's load options against the table of settings, and fills the defaults in. */

import { dirname, join, resolve } from "node:path";
import type { EngineOptions } from "../../binding.js";
import { RerankError } from "../errors.js";
import type { ImageLimits } from "../images/image-loader.js";
import type { LoadOptions, Logger } from "../types.js";
import { namingOptions } from "./named-model.js";
import { nearest } from "./nearest.js";
import { type Accepted, described, optional, required } from "./option-value.js";
import type { imageRows } from "./rows/images.js";
import type { Setting } from "./setting.js";
import { type OptionSettings, optionSettings, settings, settingsOf } from "./table.js";

/** What the engine is loaded with, and what the library itself needs. */
export interface ResolvedOptions
  extends Omit<
      OptionSettings,
      "documentCacheMb" | "documentCacheDir" | "documentCacheDiskMb" | "scoreCacheMb" | keyof typeof imageRows
    >,
    Omit<EngineOptions, "head" | "device" | keyof OptionSettings> {
  readonly headPath: string;
  readonly imageLimits: Pick<ImageLimits, "maxBytes" | "maxPixels" | "maxTokens" | "hosts">;
}

const callback: Accepted<NonNullable<LoadOptions["onProgress"]>> = {
  allowed: "a function",
  accepts: (value): value is NonNullable<LoadOptions["onProgress"]> => typeof value === "function",
};

const logging: Accepted<Logger> = {
  allowed: "an object with the functions info and warn",
  accepts: (value): value is Logger =>
    typeof value === "object" &&
    value !== null &&
    ["info", "warn"].every((name) => typeof Reflect.get(value, name) === "function"),
};

// LoadOptions is written by hand, as it documents each option. The compiler holds its types equal to the table's.
type Documented = Pick<LoadOptions, keyof OptionSettings>;
type Tabled = { -readonly [Name in keyof OptionSettings]?: OptionSettings[Name] };
true satisfies Documented extends Tabled ? (Tabled extends Documented ? true : never) : never;

/** The options that are no rows of the table under the same name, or that no default fills in. */
const ownOptions = { modelPath: true, headPath: true, mmprojPath: true, onProgress: true, logger: true } satisfies Record<
  Exclude<keyof LoadOptions, keyof OptionSettings>,
  true
>;
const names: readonly string[] = [...Object.keys(ownOptions), ...optionSettings];

/** Throws invalid_option, naming the option, what was expected and what came. */
export function resolveLoadOptions(options: Partial<LoadOptions>): ResolvedOptions {
  const checked = checkLoadOptions(options);
  const modelPath = required("modelPath", settings.modelPath.kind, options.modelPath);
  const { headPath = join(dirname(modelPath), "mlp_weights.npz") } = options;
  return { ...checked, modelPath, headPath };
}

/** Checks the options that hold for any model, so that a wrong one is refused before a model is fetched. */
export function checkLoadOptions(options: Partial<LoadOptions>): Omit<ResolvedOptions, "modelPath" | "headPath"> {
  if (typeof options !== "object" || options === null) {
    throw new RerankError("invalid_option", `options: expected an object, got ${described(options)}`);
  }
  refuseUnknown(Object.keys(options));
  optional("headPath", settings.headPath.kind, options.headPath);
  const mmprojPath = optional("mmprojPath", settings.mmprojPath.kind, options.mmprojPath);
  optional("onProgress", callback, options.onProgress);
  optional("logger", logging, options.logger);
  const all = settingsOf(optionSettings, (name) => checkedValue(name, settings[name], options[name]));
  refuseContradictions(all);
  const { documentCacheMb, documentCacheDir, documentCacheDiskMb, scoreCacheMb, ...others } = all;
  const { imageCacheMb, imageMaxTokens, imageMaxMb, imageMaxPixels, imageUrls, ...tabled } = others;
  const [maxTokens, maxBytes, hosts] = [imageMaxTokens, imageMaxMb * 2 ** 20, imageUrls ?? []];
  return {
    ...tabled,
    documentCacheBytes: documentCacheMb * 2 ** 20,
    scoreCacheBytes: scoreCacheMb * 2 ** 20,
    ...(documentCacheDir !== undefined && {
      documentStore: { directory: resolve(documentCacheDir), maxBytes: documentCacheDiskMb * 2 ** 20 },
    }),
    ...(mmprojPath !== undefined && { vision: { mmprojPath, maxTokens, cacheBytes: imageCacheMb * 2 ** 20 } }),
    imageLimits: { maxBytes, maxPixels: imageMaxPixels, maxTokens, hosts },
  };
}

function checkedValue(name: string, row: Setting<unknown>, given: unknown): unknown {
  return optional(name, row.kind, given) ?? row.default;
}

type Contradicting = Pick<OptionSettings, "documentCacheDir" | "documentCacheMb" | "gpuLayers" | "backend" | "gpus">;

function refuseContradictions({ documentCacheDir, documentCacheMb, gpuLayers, backend, gpus }: Contradicting): void {
  if (documentCacheDir !== undefined && documentCacheMb === 0) {
    throw new RerankError(
      "invalid_option",
      "documentCacheDir: expected nothing with documentCacheMb 0, since states pass through memory on their way to a file, got a folder",
    );
  }
  if (gpuLayers > 0) return;
  if (backend !== "auto" && backend !== "cpu") {
    throw new RerankError("invalid_option", `backend: expected auto or cpu with gpuLayers 0, got "${backend}"`);
  }
  if (gpus?.some((gpu) => gpu !== "cpu")) {
    throw new RerankError(
      "invalid_option",
      "gpus: expected only cpu with gpuLayers 0, which is the CPU, got the number of a GPU",
    );
  }
}

function refuseUnknown(given: readonly string[]): void {
  const unknown = given.find((name) => !names.includes(name));
  if (unknown === undefined) return;
  const known = [...names, ...namingOptions];
  throw new RerankError("invalid_option", `${unknown}: no such option; the nearest is ${nearest(unknown, known)}`);
}
