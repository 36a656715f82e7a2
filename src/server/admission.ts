/**
 * Decides which requests get in, before any work on them: all pairs of a request or none. A request gets in when its pairs fit the
 * queue and its answer is expected in time, by the work that waits and the engine's recent rate. A request counts as waiting from
 * the decision on: until it is handed over, for images are read first, here, and then in the engine's figures. So the engine's own
 * limit is never reached.
 */

import type { EngineStats } from "../../binding.js";
import { RerankError } from "../errors.js";
import type { Reranker } from "../reranker.js";
import { BytesPerToken, type Contents, requestWork } from "./request-work.js";
import * as waiting from "./waiting-time.js";
import { WorkRate } from "./work-rate.js";

/** The part of a Reranker that admission looks at. */
export type Queue = Pick<Reranker, "limits"> & {
  readonly info: Pick<Reranker["info"], "contextSize" | "batchTokens" | "attentionCells" | "vision">;
  stats(): Pick<EngineStats, "pairsQueued" | "tokensQueued" | "workQueued" | "workDone">;
};

/** What a request asks for. Pairs are counted, the rest is estimated. */
export interface Claim extends waiting.Claim {
  readonly pairs: number;
  readonly tokens: number;
  /** Tokens of its images, each counted once. */
  readonly imageTokens: number;
}

/** The smallest request that there can be. */
export const smallestClaim: Claim = { pairs: 1, tokens: 1, work: 1, long: false, imageTokens: 0 };

/** What the claims ask for together. */
export function together(claims: readonly Claim[]): Claim {
  const sum = (name: "pairs" | "tokens" | "work" | "imageTokens") => claims.reduce((total, claim) => total + claim[name], 0);
  return {
    ...{ pairs: sum("pairs"), tokens: sum("tokens"), work: sum("work"), imageTokens: sum("imageTokens") },
    long: claims.some(({ long }) => long),
  };
}

/** The place of admitted claims; dispose it when they are over. */
export interface Place extends Disposable {
  /** Call it in the turn of JavaScript in which the claim's pairs are submitted: from then on the engine counts them. */
  handOver(claim: Claim): void;
}

/** Share of a request's time limit that the estimate may fill. The rest is for later requests, which it cannot foresee. */
const plannedShare = 0.75;

/** Batches of work that may wait until the engine's speed is known. */
const batchesAtFirst = 64;

/** Longest `Retry-After`, in seconds: the estimate does not reach further. */
const longestWait = 60;

export class Admission {
  readonly #rate: WorkRate;
  readonly #limitSeconds: number;
  readonly #bytesPerToken = new BytesPerToken();
  /** Admitted, and not yet with the engine. */
  readonly #coming = new Set<Claim>();
  #requests = 0;

  constructor(requestTimeoutMs: number, rate = new WorkRate()) {
    this.#limitSeconds = (requestTimeoutMs / 1000) * plannedShare;
    this.#rate = rate;
  }

  /** Requests that were admitted and are not over. */
  get requests(): number {
    return this.#requests;
  }

  /** What each request of one body asks for. */
  claims({ info, limits }: Queue, requests: readonly Contents[]): Claim[] {
    const { contextSize, batchTokens, attentionCells, vision } = info;
    const { maxQueuedPairs: maxPairs } = limits;
    const measures = { bytesPerToken: this.#bytesPerToken.value, contextSize, maxPairs, attentionCells, vision };
    return requestWork(requests, measures).map(({ longest, pairs, ...claim }) => ({
      ...claim,
      // Passages are estimated. More than can ever wait are refused by the reranker, for good and not until later.
      pairs: Math.min(pairs, maxPairs),
      long: longest > batchTokens,
    }));
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
    // A request that is alone will never have a better chance.
    if (this.#requests === 0) return;
    if (this.#rate.capacity === undefined) {
      // Whichever is less: its turns among the others, or all work that waits.
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

  /** As `requireRoom`, for all claims together. */
  admit(queue: Queue, ...claims: readonly Claim[]): Place {
    const all = together(claims);
    this.requireRoom(queue, all);
    this.#requests += 1;
    this.#rate.arrived(all.work);
    for (const claim of claims) this.#coming.add(claim);
    return {
      handOver: (claim) => this.#coming.delete(claim),
      [Symbol.dispose]: () => {
        this.#requests -= 1;
        for (const claim of claims) this.#coming.delete(claim);
        this.observe(queue);
      },
    };
  }

  /** Call it whenever pairs were submitted, scored or dropped. */
  observe(queue: Queue): void {
    this.#observed(queue);
  }

  /** Call it with the counted tokens of a request whose documents were not cut. */
  learn(request: Contents, tokens: number): void {
    this.#bytesPerToken.learn(request, tokens);
  }

  /** Whole seconds until such a request would get in, at the engine's recent rate. */
  retryAfterSeconds(queue: Queue, claim: Claim): number {
    const { pairsQueued, ...figures } = this.#observed(queue);
    const { capacity } = this.#rate;
    const surplus = Math.max(0, pairsQueued + claim.pairs - queue.limits.maxQueuedPairs);
    const surplusWork = pairsQueued === 0 ? 0 : (surplus * figures.workQueued) / pairsQueued;
    const untilPairsFit = capacity === undefined ? 0 : surplusWork / capacity;
    const seconds = Math.max(untilPairsFit, waiting.secondsUntilRoom(this.#load(figures), claim, this.#limitSeconds));
    return Math.min(longestWait, Math.max(1, Math.ceil(seconds)));
  }

  /** What waits: with the engine, by which the rate is measured, and on its way there. */
  #observed(queue: Queue): Pick<EngineStats, "pairsQueued" | "tokensQueued" | "workQueued"> {
    const { pairsQueued, tokensQueued, workQueued, workDone } = queue.stats();
    this.#rate.observe({ workQueued, workDone }, queue.info.batchTokens);
    const coming = together([...this.#coming]);
    return {
      pairsQueued: pairsQueued + coming.pairs,
      tokensQueued: tokensQueued + coming.tokens,
      workQueued: workQueued + coming.work,
    };
  }

  #load({ workQueued }: Pick<EngineStats, "workQueued">): waiting.Load {
    return { workQueued, requests: this.#requests, capacity: this.#rate.capacity, arriving: this.#rate.arriving };
  }
}
