/**
 * How long a request would take, decided from figures alone. The engine serves requests in turns, each by work: a request
 * waits for at most as much of each of the others, and for no more than all that is there and comes in. Work is in tokens
 * that attend to nothing (binding.d.ts, `workQueued`).
 */

export interface Load {
  /** What waits or is being computed, and the requests that it belongs to. */
  readonly workQueued: number;
  readonly requests: number;
  /** Work a second: that the engine gets done, undefined = not known yet; and that came in lately. */
  readonly capacity: number | undefined;
  readonly arriving: number;
}

/** What a request asks for. */
export interface Claim {
  readonly work: number;
  /** It has a pair that no batch takes whole. */
  readonly long: boolean;
}

/**
 * Of the engine, that pairs get which no batch takes whole, however many others wait: work for a quarter of a batch
 * (batch-planner.cpp, kLeastShare) beside a batch of others.
 */
const leastShare = 1 / (4 + 1);

/** Seconds until a request would be answered; 0 while nothing is known of the engine. */
export function secondsUntilAnswer({ workQueued, requests, capacity, arriving }: Load, { work, long }: Claim): number {
  if (capacity === undefined) return 0;
  const inTurns = (work * (requests + 1)) / capacity;
  const spare = capacity - arriving;
  const behindAll = spare > 0 ? (workQueued + work) / spare : Number.POSITIVE_INFINITY;
  const amongLong = long ? (workQueued + work) / (leastShare * capacity) : Number.POSITIVE_INFINITY;
  return Math.min(inTurns, behindAll, amongLong);
}

/**
 * Seconds until such a request would be answered within `limitSeconds`, when nothing more comes in. Requests are taken to
 * end evenly while the work gets done.
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
