/** Which weights a model is computed with, and how fast each of them was. */

/** "file": as they are in the file. */
export type Precision = "file" | "f16" | "bf16" | "q8_0";
export type Converted = Exclude<Precision, "file">;

/** Tokens per second through the timed part; higher is faster, and only the order and the ratios mean something. */
export type Timings = Readonly<Partial<Record<Precision, number>>>;
