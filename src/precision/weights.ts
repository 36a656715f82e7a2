/** Which weights a model is computed with, and how fast each of them was. Types alone: browsers' programs import them too. */

/** "file": as they are in the file. */
export type Precision = "file" | "f16" | "bf16" | "q8_0";
export type Converted = Exclude<Precision, "file">;

/** Tokens per second through the timed part; higher is faster, and only the order and the ratios mean something. */
export type Timings = Readonly<Partial<Record<Precision, number>>>;

export interface PrecisionChoice {
  readonly precision: Precision;
  /** The file to load: the source, or what was converted from it. */
  readonly modelPath: string;
  /** Why, in one line. */
  readonly reason: string;
  /** What was measured of a part of the model; absent where nothing was. */
  readonly tokensPerSecond?: Timings;
}
