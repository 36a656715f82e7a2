/**
 * What is noted of a request while it runs, for the log, metrics, traces and refusals. Kept beside the request and not on it:
 * a host app may have properties of the same names there.
 */

import type { FastifyRequest } from "fastify";
import type { Reranker } from "../../reranker.js";
import type { Timings } from "../../types.js";
import type { Claim } from "../admission.js";
import type { BodyLease } from "../body-budget.js";
import type { RequestSpan } from "./open-telemetry.js";

export interface Notes {
  /** The name of the key that the request brought, where that key has one. */
  keyName?: string;
  /** Absent where nothing is traced. */
  span?: RequestSpan;
  /** What it holds; absent where it has no body. */
  memory?: BodyLease;
  /** Of scoring requests. */
  work?: Work;
}

/** A scoring request: the reranker it came in for, and what is known so far of its work. */
export interface Work {
  readonly reranker: Reranker;
  readonly documents?: number;
  /** Images among queries and documents. */
  readonly images?: number;
  /** What it asks for; known once the body was read. */
  readonly claim?: Claim;
  readonly tokens?: number;
  readonly timings?: Timings;
}

const notes = new WeakMap<FastifyRequest, Notes>();

export function notesOf(request: FastifyRequest): Notes {
  const present = notes.get(request);
  if (present) return present;
  const empty: Notes = {};
  notes.set(request, empty);
  return empty;
}
