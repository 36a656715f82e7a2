/**
 * How long a request would take, decided from figures alone. The engine serves requests in turns, each by tokens: a request
 * of so many tokens waits for at most as many of each of the others, and for no more than all that is there and comes in.
 */

export interface Load {
  /** Tokens that wait or are being computed, and the requests that they belong to. */
  readonly tokensQueued: number;
  readonly requests: number;
  /** Tokens a second: that the engine gets done, undefined = not known yet; and that came in lately. */
  readonly capacity: number | undefined;
  readonly arriving: number;
}

/** Seconds until a request of so many tokens would be answered; 0 while nothing is known of the engine. */
export function secondsUntilAnswer({ tokensQueued, requests, capacity, arriving }: Load, tokens: number): number {
  if (capacity === undefined) return 0;
  const inTurns = (tokens * (requests + 1)) / capacity;
  const spare = capacity - arriving;
  const behindAll = spare > 0 ? (tokensQueued + tokens) / spare : Number.POSITIVE_INFINITY;
  return Math.min(inTurns, behindAll);
}

/**
 * Seconds until such a request would be answered within `limitSeconds`, when nothing more comes in. Requests are taken to
 * end evenly while the tokens get done.
 */
export function secondsUntilRoom(load: Load, tokens: number, limitSeconds: number): number {
  const { tokensQueued, requests, capacity } = load;
  if (capacity === undefined || requests === 0) return 0;
  const untilEmpty = tokensQueued / capacity;
  const requestsTooMany = requests + 1 - (limitSeconds * capacity) / tokens;
  const inTurns = (untilEmpty * requestsTooMany) / requests;
  const behindAll = (tokensQueued + tokens) / capacity - limitSeconds;
  return Math.min(untilEmpty, Math.max(0, Math.min(inTurns, behindAll)));
}
