/**
 * What every dialect forgives: null in an optional field is absence, "true" and "false" are booleans, unknown fields are
 * ignored, and text may come as a string, as {"text"} or as {"content":[{"type":"text","text"}]}.
 */

import { IsArray, IsBoolean, IsObject, IsOptional, IsUnion, type Static, type TSchema, Type } from "typebox";
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

/** How many results a client asks for. */
export const ResultCount = Type.Optional(
  Type.Integer({ minimum: 0, description: "how many results to return; 0, null or absent = all" }),
);

type Part = Static<typeof Part>;
export type QueryInput = Static<typeof QueryInput>;
export type DocumentInput = Static<typeof DocumentInput>;

/** The body with only the fields of `schema`, read forgivingly; checking it is the schema's work. */
export function tolerate(schema: TSchema, value: unknown): unknown {
  if (IsBoolean(schema)) return booleanOf(value);
  if (IsArray(schema)) return Array.isArray(value) ? value.map((item) => tolerate(schema.items, item)) : value;
  if (typeof value !== "object" || value === null) return value;
  if (IsUnion(schema)) {
    const branch = schema.anyOf.find(Array.isArray(value) ? IsArray : IsObject);
    return branch ? tolerate(branch, value) : value;
  }
  if (!IsObject(schema) || Array.isArray(value)) return value;
  const fields = Object.entries(schema.properties).flatMap(([name, field]) => {
    if (!Object.hasOwn(value, name)) return [];
    const given: unknown = Reflect.get(value, name);
    return given === null && IsOptional(field) ? [] : [[name, tolerate(field, given)]];
  });
  return Object.fromEntries(fields);
}

/** Whether the body has a field that is not null; it need not be an object. */
export function hasField(body: unknown, name: string): boolean {
  return typeof body === "object" && body !== null && Object.hasOwn(body, name) && Reflect.get(body, name) !== null;
}

function booleanOf(value: unknown): unknown {
  return value === "true" ? true : value === "false" ? false : value;
}

/** Throws empty_query. `field` is what the client calls it. */
export function queryText(query: QueryInput | DocumentInput, field = "query"): string {
  const text = textOf(query, field, 'a string or {"text"}');
  if (text.trim() === "") throw new RerankError("empty_query", `${field}: expected text, got an empty string`);
  return text;
}

/** Throws empty_documents. `field` is what the client calls them. */
export function documentTexts(documents: readonly DocumentInput[], field = "documents"): string[] {
  if (documents.length === 0) throw new RerankError("empty_documents", `${field}: expected at least one, got none`);
  return documents.map((document, index) => textOf(document, `${field}[${index}]`, 'a string, {"text"} or {"content"}'));
}

function textOf(input: QueryInput | DocumentInput, field: string, expected: string): string {
  if (typeof input === "string") return input;
  if (input.image !== undefined && input.image !== null) throw imagesNotSupported(field);
  if (input.text !== undefined) return input.text;
  if ("content" in input && input.content !== undefined)
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
