/** The addon for `require`. */

import type * as binding from "../../binding.js" with { "resolution-mode": "import" };

import esModule = require("./es-module.cjs");

const native: typeof binding = esModule("jina-reranker/native", () => require("../native/index.js"));

declare namespace native {
  export type Backends = binding.Backends;
  export type Device = binding.Device;
  export type DeviceMemory = binding.DeviceMemory;
  export type DocumentStoreOptions = binding.DocumentStoreOptions;
  export type Engine = binding.Engine;
  export type EngineInfo = binding.EngineInfo;
  export type EngineOptions = binding.EngineOptions;
  export type EngineStats = binding.EngineStats;
  export type Image = binding.Image;
  export type KeepJob = binding.KeepJob;
  export type KeepRequest = binding.KeepRequest;
  export type KeepResult = binding.KeepResult;
  export type LogLevel = binding.LogLevel;
  export type NativeError = binding.NativeError;
  export type NativeErrorCode = binding.NativeErrorCode;
  export type PromptTokens = binding.PromptTokens;
  export type QuantizeOptions = binding.QuantizeOptions;
  export type QuantizeType = binding.QuantizeType;
  export type ScoreHead = binding.ScoreHead;
  export type ScoreJob = binding.ScoreJob;
  export type ScoreRequest = binding.ScoreRequest;
  export type ScoreResult = binding.ScoreResult;
  export type Version = binding.Version;
  export type VisionInfo = binding.VisionInfo;
  export type VisionOptions = binding.VisionOptions;
  export type WeightsInfo = binding.WeightsInfo;
}

export = native;
