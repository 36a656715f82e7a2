/**
 * Distributes the documents of a request over engines. A document goes to its home, the engine that has it in its cache if any
 * has, unless that engine is more than a batch behind the least busy one. So large requests are spread. Pure.
 */

import type { ScoreRequest } from "../../binding.js";
import { estimatedTokens, fingerprint } from "./estimates.js";

export interface EngineLoad {
  /** Tokens that the engine has been given and has not scored, as estimated. */
  readonly outstanding: number;
  readonly batchTokens: number;
}

/** Documents that one engine scores together. */
export interface Part {
  /** Positions in the request. */
  readonly indices: readonly number[];
  /** As estimated. */
  readonly tokens: number;
}

/** Without a query no score is asked for. */
type Distributed = Pick<ScoreRequest, "documents" | "instruction"> & Partial<Pick<ScoreRequest, "query">>;

/** For each engine its part; an engine with no documents has an empty one. */
export function distribute({ query = "", documents, instruction }: Distributed, engines: readonly EngineLoad[]): readonly Part[] {
  const planned = engines.map(({ outstanding }) => outstanding);
  const parts = engines.map(() => ({ indices: [] as number[], tokens: 0 }));
  const otherTokens = estimatedTokens(query) + (instruction === undefined ? 0 : estimatedTokens(instruction));
  for (const [index, document] of documents.entries()) {
    const least = planned.indexOf(Math.min(...planned));
    const home = fingerprint(document) % engines.length;
    const behind = (planned[home] ?? 0) - (planned[least] ?? 0);
    const chosen = behind > (engines[home]?.batchTokens ?? 0) ? least : home;
    const part = parts[chosen];
    if (!part) continue;
    const tokens = otherTokens + estimatedTokens(document);
    planned[chosen] = (planned[chosen] ?? 0) + tokens;
    part.indices.push(index);
    part.tokens += tokens;
  }
  return parts;
}
