/** The precisions that weights are computed in, as a type of its own for those that are converted to. */

import type { Precision } from "../types.js";

/** A precision that weights are converted to. */
export type Converted = Exclude<Precision, "file">;

/** A number for each precision that has one: tokens per second, or bytes. */
export type PerPrecision = Readonly<Partial<Record<Precision, number>>>;
