/**
 * Reads query and documents, which clients write as a string, as {"text"}, as {"image"}, as {"content"} with text or parts, or as
 * an object of fields. Each is a text or an image: the model reads one of them on each side of a pair, so both in one object are
 * refused.
 */

import { type Static, Type } from "typebox";
import { kindOf, RerankError } from "../errors.js";

/** An image as every dialect gives it to the reranker. A path never comes from a client. */
export interface SentImage {
  readonly image: { readonly data: string };
}

export type SentContent = string | SentImage;

/** For the documentation: three rising bars. */
export const exampleImage =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAADgAAAA4AQAAAACA/QazAAAAH0lEQVR42mP4DwEMFNEM/HSk/zDY05D+wEBfmsLwBwDWq/ypPHLHewAAAABJRU5ErkJggg==";

const imageForms = "a data: URI, base64 or a URL";

/** Of any type, since rank_fields may name others of an object's fields. */
const imageFields = {
  image: Type.Optional(Type.Unknown({ description: `an image: ${imageForms} of a host in IMAGE_URLS`, examples: ["data:…"] })),
  image_url: Type.Optional(Type.Unknown({ description: 'an image too, as {"url"} or that string' })),
};

const partShapes = '{"type":"text","text"} or {"type":"image_url","image_url":{"url"}}';
const Part = Type.Object(
  { type: Type.String(), text: Type.Optional(Type.String()), ...imageFields },
  { additionalProperties: true, description: partShapes },
);
const Parts = Type.Array(Part);

const ObjectInput = Type.Object(
  {
    text: Type.Optional(Type.String()),
    content: Type.Optional(Type.Union([Type.String(), Parts], { title: `a string or [${partShapes}]` })),
    type: Type.Optional(Type.Unknown()),
    ...imageFields,
  },
  {
    additionalProperties: true,
    description: "without text, content and image all its text fields are read, as `name: value` lines",
  },
);

export const contentShapes = 'a string, {"text"}, {"image"}, {"content"} or an object with text fields';

export const ContentInput = Type.Union([Type.String(), ObjectInput], { title: contentShapes });

export const DocumentsInput = Type.Union([Type.Array(ContentInput), Type.Object({ content: Parts })], {
  title: `an array or {"content":[${partShapes}]}`,
});

type Part = Static<typeof Part>;
type ObjectInput = Static<typeof ObjectInput>;
export type ContentInput = Static<typeof ContentInput>;
export type DocumentsInput = Static<typeof DocumentsInput>;

/** Throws empty_query. `field` is the client's name for the query. */
export function queryContent(query: ContentInput, field = "query"): SentContent {
  const content = contentOf(query, field, []);
  if (typeof content === "string" && content.trim() === "") {
    throw new RerankError("empty_query", `${field}: expected text, got an empty string`);
  }
  return content;
}

/**
 * Throws empty_documents. `field` is the client's name for the documents, `rankFields` are the fields that are read of objects;
 * empty = `text`, `content` or the image, else all text fields.
 */
export function documentContents(input: DocumentsInput, field = "documents", rankFields: readonly string[] = []): SentContent[] {
  const documents = Array.isArray(input) ? input : asList(input);
  if (documents.length === 0) throw new RerankError("empty_documents", `${field}: expected at least one, got none`);
  const names = [...new Set(rankFields)];
  return documents.map((document, index) => contentOf(document, `${field}[${index}]`, names));
}

/** An object with parts stands for a list: each part is an item. */
export function asList(input: ContentInput): ContentInput[] {
  if (typeof input === "string" || !Array.isArray(input.content)) return [input];
  return input.content.map((part) => ({ content: [part] }));
}

function contentOf(input: ContentInput, field: string, rankFields: readonly string[]): SentContent {
  if (typeof input === "string") return input;
  const chosen = rankFields.flatMap((name, index) =>
    chosenField(input, name, `${field}: expected text in rank_fields[${index}]`),
  );
  if (chosen.length > 0) return yaml(chosen);
  const { text, images } = held(input, field);
  const [data, ...others] = images;
  if (data !== undefined) {
    if (others.length === 0 && !text) return { image: { data } };
    const got = text ? "both" : `${images.length} images`;
    throw invalid(`${field}: expected text or one image, got ${got}; send each as a document of its own`);
  }
  if (rankFields.length > 0) throw invalid(`${field}: expected text in one of the rank_fields, got an object without it`);
  if (text !== undefined) return text;
  if (input.image !== undefined || input.image_url !== undefined) {
    throw invalid(`${field}: expected an image as ${imageForms}, got an empty one`);
  }
  const fields = Object.entries(input).flatMap(([name, value]): Field[] => (typeof value === "string" ? [[name, value]] : []));
  if (fields.length > 0) return yaml(fields);
  throw invalid(`${field}: expected ${contentShapes}, got an object without them`);
}

/** What an object says besides its other fields. */
interface Held {
  readonly text: string | undefined;
  readonly images: readonly string[];
}

function held(input: ObjectInput, field: string): Held {
  const { content } = input;
  const parts =
    typeof content === "string" ? [] : (content ?? []).map((part, index) => ofPart(part, `${field}.content[${index}]`));
  const texts = parts.flatMap(({ text }) => (text === undefined ? [] : [text]));
  const written = typeof content === "string" ? content : content && texts.join("\n");
  return {
    text: input.text ?? elasticsearch(input, "text") ?? written,
    images: [...imagesOf(input, field), ...parts.flatMap(({ images }) => images)],
  };
}

function ofPart(part: Part, field: string): Held {
  const images = imagesOf(part, field);
  if (images.length > 0 || (part.type === "text" && part.text !== undefined)) return { text: part.text, images };
  throw invalid(`${field}: expected ${partShapes}, got a part of another type or without text`);
}

/** An empty string is none: some clients send every field that they know. */
function imagesOf(input: ObjectInput | Part, field: string): string[] {
  const { type, image, image_url: url } = input;
  const written = { image, image_url: typeof url === "object" && url !== null ? member(url, "url") : url };
  const images = Object.entries({ ...written, value: elasticsearch(input, "image") }).flatMap(([name, value]) => {
    if (value === undefined || value === null || value === "") return [];
    if (typeof value === "string") return [value];
    throw invalid(`${field}.${name}: expected ${imageForms}, got ${kindOf(value)}`);
  });
  if (images.length === 0 && typeof type === "string" && type.includes("image")) {
    throw invalid(`${field}: expected an image as {"image"} or {"image_url":{"url"}}, got the type of an image and none`);
  }
  return images;
}

/** Elasticsearch writes {"type":"image","format":"base64","value"}. The value tells its format by itself. */
function elasticsearch(input: ObjectInput | Part, type: "text" | "image"): string | undefined {
  const value = input.type === type ? member(input, "value") : undefined;
  return typeof value === "string" ? value.toWellFormed() : undefined;
}

function member(object: object, name: string): unknown {
  return Object.hasOwn(object, name) ? Reflect.get(object, name) : undefined;
}

type Field = [name: string, value: string];

/** The field of this name, or an empty list when the document lacks it. */
function chosenField(document: ObjectInput, name: string, expected: string): Field[] {
  const value = member(document, name);
  if (value === undefined || value === null) return [];
  if (!["string", "number", "boolean"].includes(typeof value)) throw invalid(`${expected}, got ${kindOf(value)}`);
  return [[name, String(value)]];
}

/** Lines `name: value`, as Cohere recommends for structured documents. The only field `text` is written without its name. */
function yaml(fields: readonly Field[]): string {
  const [[name, value] = ["", ""]] = fields;
  const text = fields.length === 1 && name === "text" ? value : fields.map((field) => field.join(": ")).join("\n");
  return text.toWellFormed();
}

function invalid(message: string): RerankError {
  return new RerankError("invalid_request", message);
}
