/**
 * The library for `require`. An older Node cannot require an ES module: there it exports only `Reranker.load`, which is
 * asynchronous, and everything else after the first call of that.
 */

import type * as esm from "../index.js" with { "resolution-mode": "import" };

import esModule = require("./es-module.cjs");

type Library = typeof esm;

async function load(options: Parameters<typeof esm.Reranker.load>[0]): Promise<esm.Reranker> {
  const later = await import("../index.js");
  Object.assign(module.exports, later);
  return later.Reranker.load(options);
}

// On an older Node the type promises more than there is before the first load.
const atFirst = { Reranker: { load } } as Library;
const library: Library = esModule("jina-reranker", () => require("../index.js"), atFirst);

declare namespace library {
  export type Content = esm.Content;
  export type DemoLoadOptions = esm.DemoLoadOptions;
  export type DeviceMemory = esm.DeviceMemory;
  export type DeviceState = esm.DeviceState;
  export type EngineInfo = esm.EngineInfo;
  export type EngineStats = esm.EngineStats;
  export type ErrorCode = esm.ErrorCode;
  export type FailedDevice = esm.FailedDevice;
  export type Fit = esm.Fit;
  export type HubLoadOptions = esm.HubLoadOptions;
  export type ImageInput = esm.ImageInput;
  export type KeepRequest = esm.KeepRequest;
  export type KeepResponse = esm.KeepResponse;
  export type Limits = esm.Limits;
  export type LoadActivity = esm.LoadActivity;
  export type LoadOptions = esm.LoadOptions;
  export type Logger = esm.Logger;
  export type MemoryEstimate = esm.MemoryEstimate;
  export type Passage = esm.Passage;
  export type PassageOptions = esm.PassageOptions;
  export type Precision = esm.Precision;
  export type PrecisionChoice = esm.PrecisionChoice;
  export type RankedDocument<Document extends esm.Content = string> = esm.RankedDocument<Document>;
  export type RerankError = esm.RerankError;
  export type Reranker = esm.Reranker;
  export type RerankRequest<Document extends esm.Content = string> = esm.RerankRequest<Document>;
  export type RerankResponse<Document extends esm.Content = string> = esm.RerankResponse<Document>;
  export type ScoreRequest<Document extends esm.Content = string> = esm.ScoreRequest<Document>;
  export type ScoreResponse = esm.ScoreResponse;
  export type ScoreTrace = esm.ScoreTrace;
  export type Shortage = esm.Shortage;
  export type Timings = esm.Timings;
  export type Usage = esm.Usage;
}

export = library;
