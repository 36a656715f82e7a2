/**
 * `{"image_path"}`, which stands for an image in files of requests and of pairs. Such a file may come from a stranger, so it
 * names images only in the folder that the user allows, and nothing outside of it.
 */

import { realpath } from "node:fs/promises";
import { kindOf, RerankError } from "../errors.js";
import { pathInside } from "../files/path-inside.js";
import type { Content, ImageInput } from "../types.js";

export interface PathImage {
  readonly image_path: string;
}

/** A document may have a field of this name beside its text. */
export function isPathImage(value: unknown): value is { readonly image_path: unknown } {
  return typeof value === "object" && value !== null && "image_path" in value && !("text" in value) && !("content" in value);
}

/** `field` holds the value. Throws invalid_request, or image_unreachable when there is no such file. */
export async function imageAt(
  { image_path: path }: { image_path: unknown },
  field: string,
  folder: string | undefined,
): Promise<ImageInput> {
  const name = `${field}.image_path`;
  if (typeof path !== "string") throw new RerankError("invalid_request", `${name}: expected a path, got ${kindOf(path)}`);
  if (folder === undefined) {
    throw new RerankError("invalid_request", `${name}: expected {"image"}, or --image-folder with the folder that images are in`);
  }
  const named = pathInside(folder, path);
  if (named === undefined) throw outside(name);
  let [top, file] = [folder, named];
  try {
    [top, file] = await Promise.all([realpath(folder), realpath(named)]);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RerankError("image_unreachable", `${name}: expected a file in --image-folder: ${reason}`, { cause: error });
  }
  // A link may lead elsewhere.
  if (pathInside(top, file) === undefined) throw outside(name);
  return { image: file };
}

function outside(name: string): RerankError {
  return new RerankError("invalid_request", `${name}: expected a path inside --image-folder, got one that leads out of it`);
}

/** Where an image stands in a request: a number is a document's. */
export type Place = "query" | number;

export type PathImages = ReadonlyMap<Place, { readonly image: ImageInput; readonly name: PathImage }>;

/**
 * Takes the images that are named by path out of a request, and leaves a text in the place of each, for the dialects, which know
 * no paths. Throws what imageAt throws.
 */
export async function takePaths(body: unknown, folder: string | undefined): Promise<{ body: unknown; images: PathImages }> {
  const images = new Map<Place, { image: ImageInput; name: PathImage }>();
  const taken = async (value: unknown, field: string, place: Place) => {
    if (!isPathImage(value)) return value;
    const image = await imageAt(value, field, folder);
    images.set(place, { image, name: { image_path: String(value.image_path) } });
    return "an image";
  };
  if (typeof body !== "object" || body === null || Array.isArray(body)) return { body, images };
  const { query, documents }: { query?: unknown; documents?: unknown } = body;
  const rest = {
    ...(query !== undefined && { query: await taken(query, "query", "query") }),
    ...(Array.isArray(documents) && {
      documents: await Promise.all(documents.map((document, index) => taken(document, `documents[${index}]`, index))),
    }),
  };
  return { body: { ...body, ...rest }, images };
}

interface Contents {
  readonly query: Content;
  readonly documents: readonly Content[];
}

/** Puts the images where they were. */
export function withImages<Job extends Contents>(job: Job, images: PathImages): Job {
  return {
    ...job,
    query: images.get("query")?.image ?? job.query,
    documents: job.documents.map((document, index) => images.get(index)?.image ?? document),
  };
}

interface Answer {
  readonly results: readonly { readonly index: number; readonly document?: unknown }[];
}

/** The answer, which repeats an image as the request named it. */
export function withNames(answer: Answer, images: PathImages): object {
  const results = answer.results.map((result) => {
    const image = images.get(result.index);
    return image && result.document !== undefined ? { ...result, document: image.name } : result;
  });
  const query = images.get("query");
  return { ...answer, results, ...(query && { query: query.name }) };
}
