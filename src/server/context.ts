/**
 * What the server is doing: loading → ready → draining, or loading → failed; ready and failed alternate with the engine's
 * health. The one place routes ask for the reranker, and the one that knows how many requests are in flight.
 */

import { RerankError } from "../errors.js";
import type { Transfer } from "../model/transfer.js";
import { activityNotice } from "../precision/activity.js";
import type { Reranker } from "../reranker.js";
import type { LoadActivity } from "../types.js";
import { Admission } from "./admission.js";
import { BodyBudget } from "./body-budget.js";
import { EngineHealth } from "./engine-health.js";
import { Keys } from "./keys.js";
import { Metrics } from "./observe/metrics.js";
import type { Tracing } from "./observe/open-telemetry.js";
import { tinyScore } from "./tiny-score.js";

export type ServerState =
  | {
      readonly status: "loading";
      /** 0 to 1: of the fetch while there is one, then of reading the weights. */
      readonly progress: number;
      readonly transfer: Transfer | undefined;
      readonly activity: LoadActivity;
    }
  | { readonly status: "ready"; readonly reranker: Reranker }
  | { readonly status: "draining"; readonly reranker: Reranker | undefined; readonly refusing: boolean }
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
  /** Bytes that the bodies of all requests in hand may have together; default: no limit. */
  readonly bodiesLimitBytes?: number;
  /** How long a body may take for its next bytes; default 5,000. */
  readonly bodyPatienceMs?: number;
  /** When there are any, a request has to bring one; and a file with more of them. */
  readonly apiKeys?: readonly string[];
  readonly apiKeysFile?: string;
  /** Origins whose pages may read the answers; "*" = all. */
  readonly corsOrigins?: readonly string[];
  /** How long a draining server goes on taking requests, so that balancers see it drain before it refuses; default 0. */
  readonly drainDelayMs?: number;
  /** Beyond these scoring is refused with `overloaded`; 0 = no limit. */
  readonly maxEventLoopDelayMs?: number;
  readonly maxRssBytes?: number;
  readonly tracing?: Tracing;
}

export class ServerContext {
  readonly options: ServerOptions;
  readonly counters = {
    /** Requests that came in, whatever became of them. */
    requests: 0,
    /** Clients that left before their answer. */
    clientClosed: 0,
  };
  readonly admission: Admission;
  readonly bodies: BodyBudget;
  readonly keys: Keys;
  readonly metrics: Metrics;
  readonly health: EngineHealth;
  readonly #startedAt = performance.now();
  readonly #onIdle: (() => void)[] = [];
  #state: ServerState = { status: "loading", progress: 0, transfer: undefined, activity: "loading" };
  #inFlight = 0;
  #readyAt = Number.POSITIVE_INFINITY;

  /** Throws invalid_option when there is something wrong with the key file. */
  constructor(options: ServerOptions) {
    this.options = options;
    this.admission = new Admission(options.requestTimeoutMs);
    this.keys = new Keys({
      ...(options.apiKeys && { keys: options.apiKeys }),
      ...(options.apiKeysFile !== undefined && { file: options.apiKeysFile }),
    });
    this.bodies = new BodyBudget(options.bodiesLimitBytes ?? Number.POSITIVE_INFINITY);
    this.metrics = new Metrics({ modelName: options.modelName, reranker: () => this.#loaded });
    this.health = new EngineHealth({
      probe: () => tinyScore(this.reranker(), this.health, this.options.requestTimeoutMs),
      stallMs: 2 * options.requestTimeoutMs,
    });
  }

  /** As the probes tell it: an engine that stopped working counts as failed, although it is still tried. */
  get state(): ServerState {
    if (this.#state.status !== "ready") return this.#state;
    const reason = this.health.failure(this.#state.reranker.stats());
    return reason === undefined ? this.#state : { status: "failed", reason };
  }

  get uptimeSeconds(): number {
    return Math.floor((performance.now() - this.#startedAt) / 1000);
  }

  /** Since the model was loaded; negative before. */
  get readyMs(): number {
    return performance.now() - this.#readyAt;
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
    this.#readyAt = performance.now();
    return true;
  }

  fail(reason: string): void {
    if (this.#state.status === "loading") this.#state = { status: "failed", reason };
  }

  /** From now on probes say so. `refuse`: and scoring is refused. Returns what was loaded, for the caller to close. */
  drain({ refuse } = { refuse: true }): Reranker | undefined {
    this.health.stop();
    const reranker = this.#loaded;
    this.#state = { status: "draining", reranker, refusing: refuse || reranker === undefined };
    return reranker;
  }

  get #loaded(): Reranker | undefined {
    return "reranker" in this.#state ? this.#state.reranker : undefined;
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
        if (state.reranker && !state.refusing) return state.reranker;
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
