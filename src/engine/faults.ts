/** Judges the failures of an engine, of several that share the work. Pure. */

/** The code of an error of the addon or the library. */
export function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** The error of a part's engine, which numbers the documents of the part, with the document's number in the request. */
export function inTheRequest(error: unknown, indices: readonly number[]): unknown {
  if (!(error instanceof Error)) return error;
  const message = error.message.replace(/^documents\[(\d+)\]/, (_, index: string) => `documents[${indices[Number(index)]}]`);
  return message === error.message ? error : Object.assign(new Error(message, { cause: error }), { code: codeOf(error) });
}

/** Whether another engine may do what this one failed at. An engine that was taken out fails its waiting work with `closed`. */
export function isWorthAnother(code: unknown, takenOut: boolean): boolean {
  return code === "engine_error" || code === "invalid_score" || (code === "closed" && takenOut);
}

/**
 * Whether an engine is taken out, after `faults` failures in a row at work that another engine did. A single engine_error may
 * have passed; a score that is not a number is never right.
 */
export function isTakenOut(code: unknown, faults: number): boolean {
  return code === "invalid_score" || faults > 1;
}
