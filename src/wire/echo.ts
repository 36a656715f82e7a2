/**
 * What answers repeat of documents. One that came as an object goes back as it came, so that clients find their own fields in it,
 * such as an id.
 */

import { type Static, Type } from "typebox";
import { RerankError } from "../errors.js";
import type { Content } from "../types.js";
import type { DocumentsInput } from "./contents.js";

export const EchoedImage = Type.Object({ image: Type.String() }, { description: "an image, as it was sent" });

export const EchoedObject = Type.Object({}, { additionalProperties: true, description: "a document that came as an object" });

/** JSON is written with recursion, which ends at some thousands of levels. */
const deepest = 100;

/** The documents as the client wrote them; for one object with parts, its parts. Throws invalid_request for one that is nested too deeply to be written again. */
export function sentDocuments(input: DocumentsInput, field = "documents"): readonly (string | object)[] {
  const documents = Array.isArray(input) ? input : input.content;
  for (const [index, document] of documents.entries()) requireShallow(document, `${field}[${index}]`);
  return documents;
}

function requireShallow(document: string | object, field: string): void {
  let level: unknown[] = [document];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > deepest) {
      const message = `${field}: expected at most ${deepest} levels of fields, got more; or leave documents out of the answer`;
      throw new RerankError("invalid_request", message);
    }
    level = level.flatMap((value) => (typeof value === "object" && value !== null ? Object.values(value) : []));
  }
}

/** What an answer repeats of an image: what stood for it in the request. */
export function echoOf({ image }: Exclude<Content, string>): Static<typeof EchoedImage> {
  if (typeof image === "string") return { image };
  return { image: "data" in image ? image.data : Buffer.from(image).toString("base64") };
}
