/**
 * What every dialect accepts beyond its schema: null in an optional field counts as absent; "true", "True" and 1 are booleans;
 * "3" is a number; unknown fields are ignored. Half of a surrogate pair, which JSON's escapes allow and UTF-8 does not, becomes
 * U+FFFD.
 */

import { IsArray, IsBoolean, IsInteger, IsNumber, IsObject, IsOptional, IsUnion, type TSchema } from "typebox";
import { RerankError } from "../errors.js";

/** Counts what is converted of a body: items of lists and fields of objects. Each takes a few microseconds. */
export class ValueBudget {
  readonly #most: number;
  #taken = 0;

  constructor(most: number) {
    this.#most = most;
  }

  take(count: number): void {
    this.#taken += count;
    if (this.#taken > this.#most) throw tooManyValues(this.#most);
  }
}

/** No other list has so many items as that of documents, whatever it is. */
export function tooManyValues(most: number): RerankError {
  const message = `body: expected at most ${most} items and fields in all, got more; send fewer documents`;
  return new RerankError("too_many_documents", message);
}

/** Converts a body and keeps only the fields of `schema`. It checks nothing but the budget: that is the next step. */
export function tolerate(schema: TSchema, value: unknown, budget: ValueBudget): unknown {
  if (IsBoolean(schema)) return booleanOf(value);
  if (IsInteger(schema) || IsNumber(schema)) return numberOf(value);
  if (IsUnion(schema) && schema.anyOf.some(IsBoolean) && typeof booleanOf(value) === "boolean") return booleanOf(value);
  if (typeof value === "string") return value.toWellFormed();
  if (IsArray(schema)) {
    if (!Array.isArray(value)) return value;
    budget.take(value.length);
    return value.map((item) => tolerate(schema.items, item, budget));
  }
  if (typeof value !== "object" || value === null) return value;
  if (IsUnion(schema)) {
    const branch = schema.anyOf.find(Array.isArray(value) ? IsArray : IsObject);
    return branch ? tolerate(branch, value, budget) : value;
  }
  if (!IsObject(schema) || Array.isArray(value)) return value;
  const fields = Object.entries(schema.properties).flatMap(([name, field]) => {
    if (!Object.hasOwn(value, name)) return [];
    const given: unknown = Reflect.get(value, name);
    return given === null && IsOptional(field) ? [] : [[name, tolerate(field, given, budget)]];
  });
  // Documents allow additional fields: theirs may have any name. Where they are not allowed, the check has to see them.
  const others = Object.entries(Reflect.get(schema, "additionalProperties") === undefined ? {} : value);
  budget.take(others.length);
  const unknown = others.filter(([name]) => !Object.hasOwn(schema.properties, name));
  return Object.fromEntries([...unknown, ...fields]);
}

/** Whether the body is an object and has this field, not null. */
export function hasField(body: unknown, name: string): boolean {
  return typeof body === "object" && body !== null && Object.hasOwn(body, name) && Reflect.get(body, name) !== null;
}

const booleans: ReadonlyMap<unknown, boolean> = new Map<unknown, boolean>([
  ["true", true],
  ["1", true],
  [1, true],
  ["false", false],
  ["0", false],
  [0, false],
]);

function booleanOf(value: unknown): unknown {
  return booleans.get(typeof value === "string" ? value.toLowerCase() : value) ?? value;
}

function numberOf(value: unknown): unknown {
  return typeof value === "string" && /^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value;
}
