/**
 * Which requests get in: all pairs of a request or none, decided before any work on it. One gets in when its pairs fit the
 * queue and it would be answered within its time, by the work that waits and the rate of late. Runs on the JavaScript
 * thread, where nothing comes between the decision and the hand-over to the engine, so the engine's own limit is never met
 * first.
 */

import type { EngineStats } from "../../binding.js";
import { RerankError } from "../errors.js";
import type { Reranker } from "../reranker.js";
import type { RerankRequest } from "../types.js";
import { BytesPerToken, requestWork } from "./request-work.js";
import * as waiting from "./waiting-time.js";
import { WorkRate } from "./work-rate.js";

/** The part of a Reranker that admission looks at. */
export type Queue = Pick<Reranker, "limits"> & {
  readonly info: Pick<Reranker["info"], "contextSize" | "batchTokens" | "attentionCells">;
  stats(): Pick<EngineStats, "pairsQueued" | "tokensQueued" | "workQueued" | "workDone">;
};

/** What a request asks for; all but the pairs is estimated. */
export interface Claim extends waiting.Claim {
  readonly pairs: number;
  readonly tokens: number;
}

/** The least that a request has, whatever its body holds. */
export const smallestClaim: Claim = { pairs: 1, tokens: 1, work: 1, long: false };

/** Of a request's time limit: the rest is for what cannot be foreseen, such as others that come in meanwhile. */
const plannedShare = 0.75;

/** Batches that may wait while nobody knows yet how long one takes. */
const batchesAtFirst = 64;

/** Seconds: clients should not be sent away for longer, since the estimate does not see that far. */
const longestWait = 60;

export class Admission {
  readonly #rate: WorkRate;
  readonly #limitSeconds: number;
  readonly #bytesPerToken = new BytesPerToken();
  #requests = 0;

  constructor(requestTimeoutMs: number, rate = new WorkRate()) {
    this.#limitSeconds = (requestTimeoutMs / 1000) * plannedShare;
    this.#rate = rate;
  }

  /** That were let in and are not over. */
  get requests(): number {
    return this.#requests;
  }

  /** What the requests of one body ask for together. */
  claim({ info: { contextSize, batchTokens, attentionCells } }: Queue, requests: readonly RerankRequest[]): Claim {
    const measures = { bytesPerToken: this.#bytesPerToken.value, contextSize };
    const { tokens, work, longest } = requestWork(requests, measures, attentionCells);
    const pairs = requests.reduce((sum, { documents }) => sum + documents.length, 0);
    return { pairs, tokens, work, long: longest > batchTokens };
  }

  /** Throws queue_full when there is no room, or when the answer would come too late. */
  requireRoom(queue: Queue, claim: Claim): void {
    const { pairs, tokens, work } = claim;
    const { pairsQueued, ...figures } = this.#observed(queue);
    const { maxQueuedPairs } = queue.limits;
    if (pairsQueued + pairs > maxQueuedPairs) {
      const message = `${pairsQueued} of ${maxQueuedPairs} pairs are waiting; ${pairs} more do not fit; try again`;
      throw new RerankError("queue_full", message);
    }
    // Alone it has the best chance that it will ever have.
    if (this.#requests === 0) return;
    if (this.#rate.capacity === undefined) {
      // In its turn, or behind all.
      const workUntilAnswer = Math.min(work * (this.#requests + 1), figures.workQueued + work);
      if (workUntilAnswer <= batchesAtFirst * queue.info.batchTokens) return;
      const message = `${figures.tokensQueued} tokens are waiting and the engine's speed is not known yet; about ${tokens} more may be late; try again`;
      throw new RerankError("queue_full", message);
    }
    const seconds = waiting.secondsUntilAnswer(this.#load(figures), claim);
    if (seconds <= this.#limitSeconds) return;
    const message = `${figures.tokensQueued} tokens of ${this.#requests} requests are waiting; about ${tokens} more would take about ${Math.ceil(seconds)} s and be late; try again`;
    throw new RerankError("queue_full", message);
  }

  /** As `requireRoom`; the request counts until what this returns is disposed. */
  admit(queue: Queue, claim: Claim): Disposable {
    this.requireRoom(queue, claim);
    this.#requests += 1;
    this.#rate.arrived(claim.work);
    return {
      [Symbol.dispose]: () => {
        this.#requests -= 1;
        this.observe(queue);
      },
    };
  }

  /** To be called when pairs were submitted, scored or dropped. */
  observe(queue: Queue): void {
    this.#observed(queue);
  }

  /** To be called with what was counted of a request that was scored whole. */
  learn(request: RerankRequest, tokens: number): void {
    this.#bytesPerToken.learn(request, tokens);
  }

  /** Whole seconds until there is room for such a request, if the engine goes on as it did lately. */
  retryAfterSeconds(queue: Queue, claim: Claim): number {
    const { pairsQueued, ...figures } = this.#observed(queue);
    const { capacity } = this.#rate;
    const surplus = Math.max(0, pairsQueued + claim.pairs - queue.limits.maxQueuedPairs);
    const surplusWork = pairsQueued === 0 ? 0 : (surplus * figures.workQueued) / pairsQueued;
    const untilPairsFit = capacity === undefined ? 0 : surplusWork / capacity;
    const seconds = Math.max(untilPairsFit, waiting.secondsUntilRoom(this.#load(figures), claim, this.#limitSeconds));
    return Math.min(longestWait, Math.max(1, Math.ceil(seconds)));
  }

  #observed(queue: Queue): ReturnType<Queue["stats"]> {
    const stats = queue.stats();
    this.#rate.observe(stats, queue.info.batchTokens);
    return stats;
  }

  #load({ workQueued }: Pick<EngineStats, "workQueued">): waiting.Load {
    return { workQueued, requests: this.#requests, capacity: this.#rate.capacity, arriving: this.#rate.arriving };
  }
}
