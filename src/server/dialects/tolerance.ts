/**
 * What every dialect forgives: null in an optional field is absence, "true" and "false" are booleans, unknown fields are
 * ignored, and text may come as a string, as {"text"} or as {"content":[{"type":"text","text"}]}.
 */

import { IsBoolean, IsObject, IsOptional, type Static, type TSchema, Type } from "typebox";
import { RerankError } from "../../errors.js";

const Part = Type.Object({ type: Type.String(), text: Type.Optional(Type.String()) });

export const QueryInput = Type.Union(
  [Type.String(), Type.Object({ text: Type.Optional(Type.String()), image: Type.Optional(Type.Unknown()) })],
  { title: 'a string or {"text"}' },
);

export const DocumentInput = Type.Union(
  [
    Type.String(),
    Type.Object({
      text: Type.Optional(Type.String()),
      content: Type.Optional(Type.Array(Part)),
      image: Type.Optional(Type.Unknown()),
    }),
  ],
  { title: 'a string, {"text"} or {"content":[{"type":"text","text"}]}' },
);

type Part = Static<typeof Part>;

/** The body with only the fields of `schema`, read forgivingly; checking it is the schema's work. */
export function tolerate(schema: TSchema, body: unknown): unknown {
  if (!IsObject(schema) || typeof body !== "object" || body === null || Array.isArray(body)) return body;
  const fields = Object.entries(schema.properties).flatMap(([name, field]) => {
    if (!Object.hasOwn(body, name)) return [];
    const value: unknown = Reflect.get(body, name);
    if (value === null && IsOptional(field)) return [];
    return [[name, IsBoolean(field) ? booleanOf(value) : value]];
  });
  return Object.fromEntries(fields);
}

function booleanOf(value: unknown): unknown {
  return value === "true" ? true : value === "false" ? false : value;
}

export function queryText(query: Static<typeof QueryInput>): string {
  return textOf(query, "query", 'a string or {"text"}');
}

export function documentTexts(documents: readonly Static<typeof DocumentInput>[]): string[] {
  return documents.map((document, index) => textOf(document, `documents[${index}]`, 'a string, {"text"} or {"content"}'));
}

function textOf(input: Static<typeof DocumentInput>, field: string, expected: string): string {
  if (typeof input === "string") return input;
  if (input.image !== undefined && input.image !== null) throw imagesNotSupported(field);
  if (input.text !== undefined) return input.text;
  if (input.content !== undefined)
    return input.content.map((part, index) => partText(part, `${field}.content[${index}]`)).join("\n");
  throw new RerankError("invalid_request", `${field}: expected ${expected}, got an object without them`);
}

function partText(part: Part, field: string): string {
  if (part.type.includes("image")) throw imagesNotSupported(field);
  if (part.type === "text" && part.text !== undefined) return part.text;
  throw new RerankError(
    "invalid_request",
    `${field}: expected {"type":"text","text"}, got a part of another type or without text`,
  );
}

function imagesNotSupported(field: string): RerankError {
  return new RerankError("images_not_supported", `${field}: expected text, got an image; this version scores text only`);
}
