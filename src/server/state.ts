/**
 * What the server is doing: loading → ready → draining, or loading → failed. The one place routes ask for the reranker,
 * and the one that knows how many requests are in flight.
 */

import { RerankError } from "../errors.js";
import type { Transfer } from "../model/transfer.js";
import { activityNotice } from "../precision/activity.js";
import type { Reranker } from "../reranker.js";
import type { LoadActivity } from "../types.js";

export type ServerState =
  | {
      readonly status: "loading";
      /** 0 to 1: of the fetch while there is one, then of reading the weights. */
      readonly progress: number;
      readonly transfer: Transfer | undefined;
      readonly activity: LoadActivity;
    }
  | { readonly status: "ready"; readonly reranker: Reranker }
  | { readonly status: "draining"; readonly reranker: Reranker | undefined }
  | { readonly status: "failed"; readonly reason: string };

/** What a loading server is busy with. */
export function loadingReason({
  transfer,
  activity,
}: Pick<ServerState & { status: "loading" }, "transfer" | "activity">): string {
  switch (transfer?.phase) {
    case "fetching":
      return `${transfer.file} is being fetched`;
    case "verifying":
      return `${transfer.file} is being verified`;
    case "waiting":
      return `${transfer.file} is being fetched by another process`;
    case undefined:
      return activityNotice[activity];
  }
}

export interface ServerOptions {
  /** The `model` of answers. */
  readonly modelName: string;
  readonly requestTimeoutMs: number;
  readonly bodyLimitBytes: number;
}

export class ServerContext {
  readonly options: ServerOptions;
  readonly counters = {
    /** Requests that came in, whatever became of them. */
    requests: 0,
    /** Clients that left before their answer. */
    clientClosed: 0,
  };
  readonly #startedAt = performance.now();
  readonly #onIdle: (() => void)[] = [];
  #state: ServerState = { status: "loading", progress: 0, transfer: undefined, activity: "loading" };
  #inFlight = 0;

  constructor(options: ServerOptions) {
    this.options = options;
  }

  get state(): ServerState {
    return this.#state;
  }

  get uptimeSeconds(): number {
    return Math.floor((performance.now() - this.#startedAt) / 1000);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  loading(progress: number, what: Transfer | LoadActivity): void {
    if (this.#state.status !== "loading") return;
    const doing =
      typeof what === "string" ? { transfer: undefined, activity: what } : { transfer: what, activity: "loading" as const };
    this.#state = { status: "loading", progress, ...doing };
  }

  /** False when the server began to drain meanwhile; the caller closes what it loaded. */
  ready(reranker: Reranker): boolean {
    if (this.#state.status !== "loading") return false;
    this.#state = { status: "ready", reranker };
    return true;
  }

  fail(reason: string): void {
    if (this.#state.status === "loading") this.#state = { status: "failed", reason };
  }

  drain(): void {
    if (this.#state.status === "draining") return;
    this.#state = { status: "draining", reranker: this.#state.status === "ready" ? this.#state.reranker : undefined };
  }

  /** Throws what a scoring route answers with while there is nothing to score with. */
  reranker(): Reranker {
    const state = this.#state;
    switch (state.status) {
      case "ready":
        return state.reranker;
      case "loading":
        throw new RerankError("loading", `${loadingReason(state)}, ${Math.floor(state.progress * 100)} % done; try again`);
      case "draining":
        throw new RerankError("draining", "the server is shutting down; try again on a new connection");
      case "failed":
        throw new RerankError("engine_error", "the model could not be loaded; the log says why");
    }
  }

  requestStarted(): void {
    this.counters.requests += 1;
    this.#inFlight += 1;
  }

  requestEnded(): void {
    this.#inFlight -= 1;
    if (this.#inFlight > 0) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /** Resolves when no request is in flight. */
  async idle(): Promise<void> {
    if (this.#inFlight > 0) await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }
}
