/**
 * The engines of a Reranker, behind one queue. Each scores a part of a request. When an engine fails at a part, another one
 * tries it; when that one succeeds, the first is at fault. An engine that is at fault again is taken out, and its work goes to
 * the others.
 */

import type { EngineInfo, EngineStats, KeepJob, KeepRequest, PromptTokens, ScoreJob, ScoreRequest } from "../../binding.js";
import { RerankError } from "../errors.js";
import type { DeviceState, FailedDevice } from "../types.js";
import { distribute, type EngineLoad, type Part } from "./distribution.js";
import { codeOf, inTheRequest, isTakenOut, isWorthAnother } from "./faults.js";
import { together } from "./fit.js";
import { mergedScores, mergedStates, sumOfStats } from "./totals.js";

/** What the pool needs of an engine. The native Engine has it. */
export interface PooledEngine {
  readonly info: EngineInfo;
  submit(request: ScoreRequest): ScoreJob;
  keep(request: KeepRequest): KeepJob;
  tokenize(text: string): Int32Array;
  tokenizePair(query: string, document: string, instruction?: string): PromptTokens;
  stats(): EngineStats;
  close(): Promise<void>;
}

interface Member {
  readonly engine: PooledEngine;
  readonly info: EngineInfo;
  /** Tokens that the engine has been given and has not scored, as estimated. */
  outstanding: number;
  /** Failures in a row at work that another engine did. */
  faults: number;
  /** Why the engine was taken out; undefined = it was not. */
  reason: string | undefined;
}

interface Job<Result> {
  readonly result: Promise<Result>;
  cancel(): boolean;
  stop?(): boolean;
}

/** What is done with the documents of a request. */
interface Task<Result> {
  readonly documents: ScoreRequest["documents"];
  distribute(loads: readonly EngineLoad[]): readonly Part[];
  submit(engine: PooledEngine, documents: ScoreRequest["documents"]): Job<Result>;
  merge(documents: number, results: readonly { part: Part; result: Result }[]): Result;
}

/** A request in the pool. */
interface Call<Result> {
  readonly task: Task<Result>;
  /** Those that run in engines. */
  readonly jobs: Set<Job<Result>>;
  /** Cancelled or stopped: no part is tried again. */
  ended: boolean;
}

interface Fault {
  readonly member: Member;
  readonly error: unknown;
}

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

  /** The info of the first engine that works, with the devices of all that work, and what they take of them. */
  get info(): EngineInfo {
    const live = this.#live();
    const names = (of: (info: EngineInfo) => string) => [...new Set(live.map(({ info }) => of(info)))].join(", ");
    return {
      ...this.#first().info,
      device: names(({ device }) => device),
      deviceDescription: names((info) => info.deviceDescription),
      memory: [...(together(live.map(({ info }) => [info.memory]))[0] ?? [])],
    };
  }

  get devices(): readonly DeviceState[] {
    return this.#members.map(({ info: { device }, reason }) =>
      reason === undefined ? { device, status: "ok" } : { device, status: "failed", reason },
    );
  }

  /** Calls `listener` for each device that is taken out from now on, until the returned function is called. */
  onFailed(listener: (device: FailedDevice) => void): () => void {
    this.#failureListeners.add(listener);
    return () => this.#failureListeners.delete(listener);
  }

  /** Sums over all engines: a request that is spread counts as a job of each. */
  stats(): EngineStats {
    const [first, ...rest] = this.#members.map(({ engine }) => engine.stats());
    if (!first) throw new Error("a pool has at least one engine");
    return rest.reduce(sumOfStats, first);
  }

  /** As Engine.submit. */
  submit(request: ScoreRequest): ScoreJob {
    const [only, ...others] = this.#members;
    if (only && others.length === 0) return only.engine.submit(request);
    const { result, end } = this.#start({
      documents: request.documents,
      distribute: (loads) => distribute(request, loads),
      submit: (engine, documents) => engine.submit({ ...request, documents }),
      merge: mergedScores,
    });
    return { result, cancel: () => end("cancel"), stop: () => end("stop") };
  }

  /** As Engine.keep. */
  keep(request: KeepRequest): KeepJob {
    const [only, ...others] = this.#members;
    if (only && others.length === 0) return only.engine.keep(request);
    const { result, end } = this.#start({
      documents: request.documents,
      // A query looks for a state at its document's home, so it is kept there, however much waits.
      distribute: (loads) =>
        distribute(
          request,
          loads.map((load) => ({ ...load, batchTokens: Number.POSITIVE_INFINITY })),
        ),
      submit: (engine, documents) => engine.keep({ ...request, documents }),
      merge: mergedStates,
    });
    return { result, cancel: () => end("cancel") };
  }

  #start<Result>(task: Task<Result>): { result: Promise<Result>; end(how: "cancel" | "stop"): boolean } {
    this.#requireRoom(task.documents.length);
    const call: Call<Result> = { task, jobs: new Set(), ended: false };
    const parts = this.#split(task);
    const attempts: Promise<Result>[] = [];
    try {
      for (const [member, part] of parts) attempts.push(this.#hand(part, call, member));
    } catch (error) {
      endJobs(call, "cancel");
      for (const attempt of attempts) attempt.catch(() => {});
      throw error;
    }
    let settled = false;
    const result = this.#gather(parts, attempts, call).finally(() => {
      settled = true;
    });
    const end = (how: "cancel" | "stop") => {
      if (!settled) endJobs(call, how);
      return !settled;
    };
    return { result, end };
  }

  /** As Engine.tokenize. */
  tokenize(text: string): Int32Array {
    return this.#first().engine.tokenize(text);
  }

  /** As Engine.tokenizePair. */
  tokenizePair(query: string, document: string, instruction?: string): PromptTokens {
    return this.#first().engine.tokenizePair(query, document, instruction);
  }

  /** Idempotent. */
  close(): Promise<void> {
    this.#closed ??= Promise.all(this.#members.map(({ engine }) => engine.close())).then(() => {});
    return this.#closed;
  }

  #live(): readonly Member[] {
    return this.#members.filter(({ reason }) => reason === undefined);
  }

  /** Of those that work. */
  #first(): Member {
    const [first] = this.#live();
    if (!first) throw new Error("a pool has at least one engine");
    return first;
  }

  #requireRoom(pairs: number): void {
    const { pairsQueued } = this.stats();
    if (pairsQueued + pairs <= this.#maxQueuedPairs) return;
    throw new RerankError("queue_full", `${pairsQueued} of ${this.#maxQueuedPairs} pairs are waiting; ${pairs} more do not fit`);
  }

  #split(task: Pick<Task<unknown>, "distribute">): readonly (readonly [Member, Part])[] {
    const live = this.#live();
    const loads = live.map(({ outstanding, info: { batchTokens } }) => ({ outstanding, batchTokens }));
    return task.distribute(loads).flatMap((part, index) => {
      const member = live[index];
      return member && part.indices.length > 0 ? [[member, part] as const] : [];
    });
  }

  /** Gives the part to the engine. Throws what its submit throws. */
  #hand<Result>({ indices, tokens }: Part, { task, jobs }: Call<Result>, member: Member): Promise<Result> {
    const documents = indices.map((index) => task.documents[index] ?? "");
    const job = task.submit(member.engine, documents);
    jobs.add(job);
    member.outstanding += tokens;
    return job.result.finally(() => {
      jobs.delete(job);
      member.outstanding -= tokens;
    });
  }

  async #gather<Result>(
    parts: readonly (readonly [Member, Part])[],
    attempts: readonly Promise<Result>[],
    call: Call<Result>,
  ): Promise<Result> {
    try {
      const results = await Promise.all(
        parts.map(async ([member, part], index) => {
          const attempt = attempts[index] ?? this.#hand(part, call, member);
          const result = await this.#withOthers(attempt, part, call, member).catch((error: unknown) => {
            throw inTheRequest(error, part.indices);
          });
          return { part, result };
        }),
      );
      return call.task.merge(call.task.documents.length, results);
    } catch (error) {
      endJobs(call, "cancel");
      throw error;
    }
  }

  /** The part's result. Where an engine fails, another one tries the part. */
  async #withOthers<Result>(attempt: Promise<Result>, part: Part, call: Call<Result>, member: Member): Promise<Result> {
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
        if (!next || call.ended || this.#closed || !isWorthAnother(codeOf(error), member.reason !== undefined)) throw error;
        member = next;
        attempt = this.#hand(part, call, next);
      }
    }
  }

  /** Counts the failure: another engine did the work. */
  #blame({ member, error }: Fault): void {
    const code = codeOf(error);
    if (member.reason !== undefined || this.#live().length === 1) return;
    member.faults += 1;
    if (!isTakenOut(code, member.faults)) return;
    const reason = `${code}: ${error instanceof Error ? error.message : String(error)}`;
    member.reason = reason;
    // Its waiting work fails with closed and goes to the others. Nothing waits for its end: the device may hang.
    member.engine.close().catch(() => {});
    const failed: FailedDevice = { device: member.info.device, status: "failed", reason };
    for (const listener of this.#failureListeners) listener(failed);
  }
}

function endJobs<Result>(call: Call<Result>, how: "cancel" | "stop"): void {
  call.ended = true;
  for (const job of call.jobs) job[how]?.();
}
