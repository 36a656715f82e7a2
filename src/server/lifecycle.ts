/**
 * Where the service is in its life: loading → ready → draining, or loading → failed. Routes ask here for the reranker. The
 * engine's health is not part of it: engine-health.ts.
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
  | { readonly status: "draining"; readonly reranker: Reranker | undefined; readonly refusing: boolean }
  | { readonly status: "failed"; readonly reason: string };

/** What a loading service is busy with. */
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

/** Throws the error that scoring routes answer with in this state. */
function rerankerIn(state: ServerState): Reranker {
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

export class Lifecycle {
  #state: ServerState = { status: "loading", progress: 0, transfer: undefined, activity: "loading" };
  #readyAt = Number.POSITIVE_INFINITY;

  get state(): ServerState {
    return this.#state;
  }

  /** Milliseconds since the model was loaded; negative before. */
  get readyMs(): number {
    return performance.now() - this.#readyAt;
  }

  /** The reranker that was loaded, also while the service drains. */
  get loaded(): Reranker | undefined {
    return "reranker" in this.#state ? this.#state.reranker : undefined;
  }

  /** Throws the error that scoring routes answer with while they cannot score. */
  reranker(): Reranker {
    return rerankerIn(this.#state);
  }

  loading(progress: number, what: Transfer | LoadActivity): void {
    if (this.#state.status !== "loading") return;
    const doing =
      typeof what === "string" ? { transfer: undefined, activity: what } : { transfer: what, activity: "loading" as const };
    this.#state = { status: "loading", progress, ...doing };
  }

  /** False when the service began to drain meanwhile: then the caller closes the reranker. */
  ready(reranker: Reranker): boolean {
    if (this.#state.status !== "loading") return false;
    this.#state = { status: "ready", reranker };
    this.#readyAt = performance.now();
    return true;
  }

  fail(reason: string): void {
    if (this.#state.status === "loading") this.#state = { status: "failed", reason };
  }

  /** Probes answer `draining` from now on. With `refuse`, scoring routes do too. */
  drain({ refuse }: { readonly refuse: boolean }): void {
    const reranker = this.loaded;
    this.#state = { status: "draining", reranker, refusing: refuse || reranker === undefined };
  }
}
