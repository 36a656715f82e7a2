export { rank } from "./engine/ranking.js";
export { type ErrorCode, errorTable, RerankError } from "./errors.js";
export { Reranker } from "./reranker.js";
export type {
  DeviceState,
  EngineInfo,
  EngineStats,
  FailedDevice,
  LoadOptions,
  RankedDocument,
  RerankRequest,
  RerankResponse,
  ScoreRequest,
  ScoreResponse,
  Timings,
  Usage,
} from "./types.js";
