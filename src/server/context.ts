/** What the parts of one service share: its options, where it is in its life, its requests, and the engine's health. */

import { Admission } from "./admission.js";
import { BodyBudget } from "./body-budget.js";
import { EngineHealth } from "./engine-health.js";
import { Keys } from "./keys.js";
import { Lifecycle, type ServerState } from "./lifecycle.js";
import { Metrics } from "./observe/metrics.js";
import { RequestCount } from "./observe/request-count.js";
import type { ServerOptions } from "./options.js";
import { tinyScore } from "./tiny-score.js";

export class ServerContext {
  readonly options: ServerOptions;
  readonly lifecycle = new Lifecycle();
  readonly requests = new RequestCount();
  readonly admission: Admission;
  readonly bodies: BodyBudget;
  readonly keys: Keys;
  readonly metrics: Metrics;
  readonly health: EngineHealth;
  readonly #startedAt = performance.now();

  /** Throws invalid_option when the key file cannot be read or is wrong. */
  constructor(options: ServerOptions) {
    const { modelName, requestTimeoutMs, bodiesLimitBytes = Number.POSITIVE_INFINITY, apiKeys, apiKeysFile } = options;
    this.options = options;
    this.admission = new Admission(requestTimeoutMs);
    this.keys = new Keys({ ...(apiKeys && { keys: apiKeys }), ...(apiKeysFile !== undefined && { file: apiKeysFile }) });
    this.bodies = new BodyBudget(bodiesLimitBytes);
    this.metrics = new Metrics({ modelName, reranker: () => this.lifecycle.loaded });
    this.health = new EngineHealth({
      probe: () => tinyScore(this.lifecycle.reranker(), this.health, requestTimeoutMs),
      stallMs: 2 * requestTimeoutMs,
    });
  }

  /** The state for probes: an engine that stopped working counts as failed, although requests still reach it. */
  get state(): ServerState {
    const { state } = this.lifecycle;
    if (state.status !== "ready") return state;
    const reason = this.health.failure(state.reranker.stats());
    return reason === undefined ? state : { status: "failed", reason };
  }

  get uptimeSeconds(): number {
    return Math.floor((performance.now() - this.#startedAt) / 1000);
  }

  /** Probes answer `draining` from now on. With `refuse`, the default, scoring routes do too. */
  drain({ refuse } = { refuse: true }): void {
    this.health.stop();
    this.lifecycle.drain({ refuse });
  }
}
