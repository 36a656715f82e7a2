/**
 * Estimates how long a request would take, from figures alone. The engine serves requests in turns of equal work. So a request
 * waits at most for its own work once for each other request, and never longer than for all work that is there and comes in.
 * Work is counted in tokens that attend to nothing (binding.d.ts, `workQueued`).
 */

export interface Load {
  /** Work that waits or is being computed. */
  readonly workQueued: number;
  /** Requests that it belongs to. */
  readonly requests: number;
  /** Work per second that the engine does; undefined = not known yet. */
  readonly capacity: number | undefined;
  /** Work per second that arrives. */
  readonly arriving: number;
}

/** What a request asks for. */
export interface Claim {
  readonly work: number;
  /** Whether one of its pairs is longer than a batch. */
  readonly long: boolean;
}

/**
 * Share of the engine that pairs longer than a batch get, however many others wait: work for a quarter of a batch
 * (batch-planner.cpp, kLeastShare) beside a batch of others.
 */
const leastShare = 1 / (4 + 1);

/** Seconds until a request would be answered; 0 while the engine's speed is not known. */
export function secondsUntilAnswer({ workQueued, requests, capacity, arriving }: Load, { work, long }: Claim): number {
  if (capacity === undefined) return 0;
  const inTurns = (work * (requests + 1)) / capacity;
  const spare = capacity - arriving;
  const behindAll = spare > 0 ? (workQueued + work) / spare : Number.POSITIVE_INFINITY;
  const amongLong = long ? (workQueued + work) / (leastShare * capacity) : Number.POSITIVE_INFINITY;
  return Math.min(inTurns, behindAll, amongLong);
}

/**
 * Seconds until such a request would be answered within `limitSeconds`, when no other comes in. Assumes that the running requests
 * end at even intervals.
 */
export function secondsUntilRoom(load: Load, { work }: Claim, limitSeconds: number): number {
  const { workQueued, requests, capacity } = load;
  if (capacity === undefined || requests === 0) return 0;
  const untilEmpty = workQueued / capacity;
  const requestsTooMany = requests + 1 - (limitSeconds * capacity) / work;
  const inTurns = (untilEmpty * requestsTooMany) / requests;
  const behindAll = (workQueued + work) / capacity - limitSeconds;
  return Math.min(untilEmpty, Math.max(0, Math.min(inTurns, behindAll)));
}
