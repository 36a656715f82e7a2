/** Checks a value that the library was given. Each failure is invalid_option: the option, what was expected, what came. */

import { kindOf, RerankError } from "../errors.js";
import type { Kind } from "./kinds.js";

/** What a value may be; it is not read from text. */
export type Accepted<Value> = Pick<Kind<Value>, "allowed" | "accepts">;

export function required<Value>(name: string, kind: Accepted<Value>, value: unknown): Value {
  if (kind.accepts(value)) return value;
  throw new RerankError("invalid_option", `${name}: expected ${kind.allowed}, got ${described(value)}`);
}

/** undefined counts as absent. */
export function optional<Value>(name: string, kind: Accepted<Value>, value: unknown): Value | undefined {
  return value === undefined ? undefined : required(name, kind, value);
}

/** An option's text is named as it is: options hold no queries and no documents. */
export function described(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : kindOf(value);
}
