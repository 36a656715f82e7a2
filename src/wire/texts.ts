/**
 * Reads query and documents, which clients write as a string, as {"text"}, as {"content"} with text or parts, or as an object of
 * fields. Images of every form are refused.
 */

import { type Static, Type } from "typebox";
import { kindOf, RerankError } from "../errors.js";

const Part = Type.Object({ type: Type.String(), text: Type.Optional(Type.String()) });
const Parts = Type.Array(Part);

const ObjectInput = Type.Object(
  {
    text: Type.Optional(Type.String()),
    content: Type.Optional(Type.Union([Type.String(), Parts], { title: 'a string or [{"type":"text","text"}]' })),
    type: Type.Optional(Type.Unknown()),
    image: Type.Optional(Type.Unknown()),
    image_url: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: true, description: "without text and content all its text fields are read, as `name: value` lines" },
);

export const textShapes = 'a string, {"text"}, {"content"} or an object with text fields';

export const TextInput = Type.Union([Type.String(), ObjectInput], { title: textShapes });

export const DocumentsInput = Type.Union([Type.Array(TextInput), Type.Object({ content: Parts })], {
  title: 'an array or {"content":[{"type":"text","text"}]}',
});

type Part = Static<typeof Part>;
type ObjectInput = Static<typeof ObjectInput>;
export type TextInput = Static<typeof TextInput>;
type DocumentsInput = Static<typeof DocumentsInput>;

/** Throws empty_query. `field` is the client's name for the query. */
export function queryText(query: TextInput, field = "query"): string {
  const text = textOf(query, field, []);
  if (text.trim() === "") throw new RerankError("empty_query", `${field}: expected text, got an empty string`);
  return text;
}

/**
 * Throws empty_documents. `field` is the client's name for the documents, `rankFields` are the fields that are read of objects;
 * empty = `text` or `content`, else all text fields.
 */
export function documentTexts(input: DocumentsInput, field = "documents", rankFields: readonly string[] = []): string[] {
  const documents = Array.isArray(input) ? input : asList(input);
  if (documents.length === 0) throw new RerankError("empty_documents", `${field}: expected at least one, got none`);
  return documents.map((document, index) => textOf(document, `${field}[${index}]`, rankFields));
}

/** An object with parts stands for a list: each part is an item. */
export function asList(input: TextInput): TextInput[] {
  if (typeof input === "string" || !Array.isArray(input.content)) return [input];
  return input.content.map((part) => ({ content: [part] }));
}

function textOf(input: TextInput, field: string, rankFields: readonly string[]): string {
  if (typeof input === "string") return input;
  const chosen = rankFields.flatMap((name, index) =>
    chosenField(input, name, `${field}: expected text in rank_fields[${index}]`),
  );
  if (chosen.length > 0) return yaml(chosen);
  if (isImage(input)) throw imagesNotSupported(field);
  if (rankFields.length > 0) {
    throw new RerankError("invalid_request", `${field}: expected text in one of the rank_fields, got an object without it`);
  }
  const { text, content } = input;
  if (text !== undefined) return text;
  if (typeof content === "string") return content;
  if (content) return content.map((part, index) => partText(part, `${field}.content[${index}]`)).join("\n");
  const fields = Object.entries(input).flatMap(([name, value]): Field[] => (typeof value === "string" ? [[name, value]] : []));
  if (fields.length > 0) return yaml(fields);
  throw new RerankError("invalid_request", `${field}: expected ${textShapes}, got an object without them`);
}

type Field = [name: string, value: string];

/** The field of this name, or an empty list when the document lacks it. */
function chosenField(document: ObjectInput, name: string, expected: string): Field[] {
  const value: unknown = Object.hasOwn(document, name) ? Reflect.get(document, name) : undefined;
  if (value === undefined || value === null) return [];
  if (!["string", "number", "boolean"].includes(typeof value)) {
    throw new RerankError("invalid_request", `${expected}, got ${kindOf(value)}`);
  }
  return [[name, String(value)]];
}

/** Lines `name: value`, as Cohere recommends for structured documents. The only field `text` is written without its name. */
function yaml(fields: readonly Field[]): string {
  const [[name, value] = ["", ""]] = fields;
  const text = fields.length === 1 && name === "text" ? value : fields.map((field) => field.join(": ")).join("\n");
  return text.toWellFormed();
}

function isImage({ type, image, image_url }: ObjectInput): boolean {
  const given = (value: unknown) => value !== undefined && value !== null;
  return given(image) || given(image_url) || (typeof type === "string" && type.includes("image"));
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
