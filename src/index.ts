export { rank } from "./engine/ranking.js";
export { type ErrorCode, errorTable, RerankError } from "./errors.js";
export { Reranker } from "./reranker.js";
export type {
  Content,
  DemoLoadOptions,
  DeviceState,
  EngineInfo,
  EngineStats,
  FailedDevice,
  HubLoadOptions,
  ImageInput,
  Limits,
  LoadActivity,
  LoadOptions,
  Logger,
  Passage,
  PassageOptions,
  Precision,
  PrecisionChoice,
  RankedDocument,
  RerankRequest,
  RerankResponse,
  ScoreRequest,
  ScoreResponse,
  ScoreTrace,
  Timings,
  Usage,
} from "./types.js";
