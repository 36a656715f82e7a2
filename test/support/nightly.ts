/** What `npm test` makes a sample of, because all of it takes too long for every change; `npm run test:nightly` makes all. */

export const nightly = process.env.NIGHTLY === "true";

/** All of them at night, else the first of each `step`. */
export function sampled<Value>(all: readonly Value[], step: number): readonly Value[] {
  return nightly ? all : all.filter((_, index) => index % step === 0);
}
