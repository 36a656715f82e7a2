import type { KeepJob, KeepRequest, NativeErrorCode, ScoreJob, ScoreRequest } from "../../binding.js";
import type { PooledEngine } from "../../src/engine/pool.js";

/** A real engine whose device can be broken: while it is broken, results are replaced by an error. */
export class FaultyEngine implements PooledEngine {
  broken: NativeErrorCode | undefined;
  readonly #engine: PooledEngine;

  constructor(inner: PooledEngine) {
    this.#engine = inner;
  }

  get info() {
    return this.#engine.info;
  }

  submit(request: ScoreRequest): ScoreJob {
    const job = this.#engine.submit(request);
    return { result: this.#unlessBroken(job.result), cancel: () => job.cancel(), stop: () => job.stop() };
  }

  keep(request: KeepRequest): KeepJob {
    const job = this.#engine.keep(request);
    return { result: this.#unlessBroken(job.result), cancel: () => job.cancel() };
  }

  async #unlessBroken<Result>(result: Promise<Result>): Promise<Result> {
    const value = await result;
    if (this.broken === undefined) return value;
    throw Object.assign(new Error("the device fell off the bus"), { code: this.broken });
  }

  tokenize(text: string) {
    return this.#engine.tokenize(text);
  }

  tokenizePair(query: string, document: string, instruction?: string) {
    return this.#engine.tokenizePair(query, document, instruction);
  }

  stats() {
    return this.#engine.stats();
  }

  close() {
    return this.#engine.close();
  }
}
