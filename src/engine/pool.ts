/**
 * The engines of a Reranker, behind one queue. A document goes to its home, the engine that has seen it before and may
 * have it in its cache, unless that one is more than a batch behind the least busy one; so large requests are spread.
 * An engine whose work another one can do is at fault: it is taken out, and what it had goes to the others.
 */

import type { EngineInfo, EngineStats, ScoreJob, ScoreRequest, ScoreResult } from "../../binding.js";
import { RerankError } from "../errors.js";
import type { DeviceState, FailedDevice } from "../types.js";
import { estimatedTokens, fingerprint } from "./estimates.js";

/** What the pool asks of an engine: the native one has it. */
export interface PooledEngine {
  readonly info: EngineInfo;
  submit(request: ScoreRequest): ScoreJob;
  stats(): EngineStats;
  close(): Promise<void>;
}

interface Member {
  readonly engine: PooledEngine;
  readonly info: EngineInfo;
  /** Tokens handed over and not yet scored, as estimated. */
  outstanding: number;
  /** In a row, of work that another engine could do. */
  faults: number;
  /** Set when it was taken out. */
  reason: string | undefined;
}

/** Documents of a request that one engine scores together. */
interface Part {
  readonly indices: readonly number[];
  readonly tokens: number;
}

/** A request in the pool. */
interface Call {
  readonly request: ScoreRequest;
  /** In the engines. */
  readonly jobs: Set<ScoreJob>;
  cancelled: boolean;
}

interface Fault {
  readonly member: Member;
  readonly error: unknown;
}

/** One failure may have passed; a score that is not a number is never right. */
const faultsAllowed = 1;

export class EnginePool {
  readonly #members: readonly Member[];
  readonly #maxQueuedPairs: number;
  #closed: Promise<void> | undefined;
  readonly #failureListeners = new Set<(device: FailedDevice) => void>();

  /** At least one engine, each with room for `maxQueuedPairs`. */
  constructor(engines: readonly PooledEngine[], maxQueuedPairs: number) {
    this.#members = engines.map((engine) => ({ engine, info: engine.info, outstanding: 0, faults: 0, reason: undefined }));
    this.#maxQueuedPairs = maxQueuedPairs;
  }

  /** The first engine's, with the devices of all that work. */
  get info(): EngineInfo {
    const live = this.#live();
    const [first] = live;
    if (!first) throw new Error("a pool has at least one engine");
    const names = (of: (info: EngineInfo) => string) => [...new Set(live.map(({ info }) => of(info)))].join(", ");
    return { ...first.info, device: names(({ device }) => device), deviceDescription: names((info) => info.deviceDescription) };
  }

  get devices(): readonly DeviceState[] {
    return this.#members.map(({ info: { device }, reason }) =>
      reason === undefined ? { device, status: "ok" } : { device, status: "failed", reason },
    );
  }

  /** Tells of each device that is taken out from now on, until what this returns is called. */
  onFailed(listener: (device: FailedDevice) => void): () => void {
    this.#failureListeners.add(listener);
    return () => this.#failureListeners.delete(listener);
  }

  /** Sums over all engines: a request that is spread counts as a job of each. */
  stats(): EngineStats {
    const [first, ...rest] = this.#members.map(({ engine }) => engine.stats());
    if (!first) throw new Error("a pool has at least one engine");
    return rest.reduce(sum, first);
  }

  /** As Engine.submit. */
  submit(request: ScoreRequest): ScoreJob {
    const [only, ...others] = this.#members;
    if (only && others.length === 0) return only.engine.submit(request);
    this.#requireRoom(request.documents.length);
    const call: Call = { request, jobs: new Set(), cancelled: false };
    const parts = [...this.#split(request)];
    const attempts: Promise<ScoreResult>[] = [];
    try {
      for (const [member, part] of parts) attempts.push(this.#hand(part, call, member));
    } catch (error) {
      cancelJobs(call);
      for (const attempt of attempts) attempt.catch(() => {});
      throw error;
    }
    let settled = false;
    const result = this.#gather(parts, attempts, call).finally(() => {
      settled = true;
    });
    const cancel = () => {
      if (settled) return false;
      call.cancelled = true;
      cancelJobs(call);
      return true;
    };
    return { result, cancel };
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closed ??= Promise.all(this.#members.map(({ engine }) => engine.close())).then(() => {});
    return this.#closed;
  }

  #live(): readonly Member[] {
    return this.#members.filter(({ reason }) => reason === undefined);
  }

  #requireRoom(pairs: number): void {
    const { pairsQueued } = this.stats();
    if (pairsQueued + pairs <= this.#maxQueuedPairs) return;
    throw new RerankError("queue_full", `${pairsQueued} of ${this.#maxQueuedPairs} pairs are waiting; ${pairs} more do not fit`);
  }

  #split({ query, documents }: ScoreRequest): Map<Member, Part> {
    const live = this.#live();
    const planned = live.map(({ outstanding }) => outstanding);
    const parts = new Map<Member, { indices: number[]; tokens: number }>();
    const queryTokens = estimatedTokens(query);
    for (const [index, document] of documents.entries()) {
      const least = planned.indexOf(Math.min(...planned));
      const home = fingerprint(document) % live.length;
      const behind = (planned[home] ?? 0) - (planned[least] ?? 0);
      const chosen = behind > (live[home]?.info.batchTokens ?? 0) ? least : home;
      const member = live[chosen];
      if (!member) continue;
      const tokens = queryTokens + estimatedTokens(document);
      planned[chosen] = (planned[chosen] ?? 0) + tokens;
      const part = parts.get(member) ?? { indices: [], tokens: 0 };
      part.indices.push(index);
      part.tokens += tokens;
      parts.set(member, part);
    }
    return parts;
  }

  /** Throws what the engine's submit throws. */
  #hand({ indices, tokens }: Part, { request, jobs }: Call, member: Member): Promise<ScoreResult> {
    const documents = indices.map((index) => request.documents[index] ?? "");
    const job = member.engine.submit({ ...request, documents });
    jobs.add(job);
    member.outstanding += tokens;
    return job.result.finally(() => {
      jobs.delete(job);
      member.outstanding -= tokens;
    });
  }

  async #gather(
    parts: readonly (readonly [Member, Part])[],
    attempts: readonly Promise<ScoreResult>[],
    call: Call,
  ): Promise<ScoreResult> {
    try {
      const results = await Promise.all(
        parts.map(async ([member, part], index) => {
          const attempt = attempts[index] ?? this.#hand(part, call, member);
          return { part, result: await this.#withOthers(attempt, part, call, member) };
        }),
      );
      return merge(call.request.documents.length, results);
    } catch (error) {
      call.cancelled = true;
      cancelJobs(call);
      throw error;
    }
  }

  /** The part's result, from another engine where one fails. */
  async #withOthers(attempt: Promise<ScoreResult>, part: Part, call: Call, member: Member): Promise<ScoreResult> {
    const faults: Fault[] = [];
    for (;;) {
      try {
        const result = await attempt;
        member.faults = 0;
        for (const fault of faults) this.#blame(fault);
        return result;
      } catch (error) {
        faults.push({ member, error });
        const next = this.#live()
          .filter((other) => !faults.some((fault) => fault.member === other))
          .sort((left, right) => left.outstanding - right.outstanding)[0];
        if (!next || call.cancelled || this.#closed || !mayBeTheDevice(error, member)) throw error;
        member = next;
        attempt = this.#hand(part, call, next);
      }
    }
  }

  /** Called when another engine could do what this one could not. */
  #blame({ member, error }: Fault): void {
    const code = codeOf(error);
    if (code === "closed" || member.reason !== undefined || this.#live().length === 1) return;
    member.faults += 1;
    if (code !== "invalid_score" && member.faults <= faultsAllowed) return;
    const reason = `${code}: ${error instanceof Error ? error.message : String(error)}`;
    member.reason = reason;
    // What waits in it fails with closed, and goes to the others. Nobody waits for a device that may hang.
    member.engine.close().catch(() => {});
    const failed: FailedDevice = { device: member.info.device, status: "failed", reason };
    for (const listener of this.#failureListeners) listener(failed);
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

function mayBeTheDevice(error: unknown, { reason }: Member): boolean {
  const code = codeOf(error);
  return code === "engine_error" || code === "invalid_score" || (code === "closed" && reason !== undefined);
}

function cancelJobs({ jobs }: Call): void {
  for (const job of jobs) job.cancel();
}

function sum(left: EngineStats, right: EngineStats): EngineStats {
  return {
    jobsSubmitted: left.jobsSubmitted + right.jobsSubmitted,
    jobsCompleted: left.jobsCompleted + right.jobsCompleted,
    jobsFailed: left.jobsFailed + right.jobsFailed,
    jobsCancelled: left.jobsCancelled + right.jobsCancelled,
    pairsScored: left.pairsScored + right.pairsScored,
    pairsDropped: left.pairsDropped + right.pairsDropped,
    pairsQueued: left.pairsQueued + right.pairsQueued,
    tokensQueued: left.tokensQueued + right.tokensQueued,
    workQueued: left.workQueued + right.workQueued,
    workDone: left.workDone + right.workDone,
    tokensComputed: left.tokensComputed + right.tokensComputed,
    tokensPadding: left.tokensPadding + right.tokensPadding,
    batches: left.batches + right.batches,
    tokensReused: left.tokensReused + right.tokensReused,
    pairsWarm: left.pairsWarm + right.pairsWarm,
    pairsRepeated: left.pairsRepeated + right.pairsRepeated,
    cacheBytes: left.cacheBytes + right.cacheBytes,
    cacheEntries: left.cacheEntries + right.cacheEntries,
  };
}

/** Parts run side by side: the time is the longest one's, the tokens are everyone's. */
function merge(documents: number, results: readonly { readonly part: Part; readonly result: ScoreResult }[]): ScoreResult {
  const all = {
    scores: new Float32Array(documents),
    logits: new Float32Array(documents),
    promptTokens: new Uint32Array(documents),
    droppedTokens: new Uint32Array(documents),
    ...{ computedTokens: 0, reusedTokens: 0, queueMs: 0, tokenizeMs: 0, computeMs: 0, totalMs: 0 },
  };
  for (const { part, result } of results) {
    for (const [position, index] of part.indices.entries()) {
      all.scores[index] = result.scores[position] ?? Number.NaN;
      all.logits[index] = result.logits[position] ?? Number.NaN;
      all.promptTokens[index] = result.promptTokens[position] ?? 0;
      all.droppedTokens[index] = result.droppedTokens[position] ?? 0;
    }
    all.computedTokens += result.computedTokens;
    all.reusedTokens += result.reusedTokens;
    all.queueMs = Math.max(all.queueMs, result.queueMs);
    all.tokenizeMs = Math.max(all.tokenizeMs, result.tokenizeMs);
    all.computeMs = Math.max(all.computeMs, result.computeMs);
    all.totalMs = Math.max(all.totalMs, result.totalMs);
  }
  return all;
}
