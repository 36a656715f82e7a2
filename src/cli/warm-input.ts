/** The documents that `warm` computes: files, or the lines of files or of stdin. Nothing is read before its turn comes. */

import { RerankError } from "../errors.js";
import type { Content } from "../types.js";
import { KeepBody, readKeep } from "../wire/keep.js";
import { validator } from "../wire/validation.js";
import { type NumberedLine, numberedLines } from "./bulk-input.js";
import { readDocument } from "./document-file.js";
import { takePaths, withImages } from "./image-paths.js";
import { type Shard, wholeFile } from "./shard.js";

export interface WarmInput {
  readonly files: readonly string[];
  /** Whether a line is JSON: a document, or {"documents"}. */
  readonly jsonl: boolean;
  readonly shard: Shard | undefined;
  /** The folder in which lines may name images; undefined = they may name none. */
  readonly imageFolder: string | undefined;
}

/** The documents of a file or a line, or why there are none; `name` is the user's for it. */
export interface Source {
  readonly name: string;
  readonly documents: readonly Content[] | RerankError;
}

/** Ends without an error when the signal aborts. */
export async function* sourcesOf({ files, jsonl, shard, imageFolder }: WarmInput, signal: AbortSignal): AsyncGenerator<Source> {
  if (files.length > 0 && !jsonl) {
    for (const name of files) {
      if (signal.aborted) return;
      yield { name, documents: await orError(async () => [await readDocument(name)]) };
    }
    return;
  }
  const read = jsonl ? lineReader(imageFolder) : async ({ text }: NumberedLine) => [requireText(text)];
  const lines = numberedLines({ files, shard: shard ?? wholeFile, skip: 0, empty: false, signal });
  for await (const line of lines) yield { name: `line ${line.number}`, documents: await orError(() => read(line)) };
}

function lineReader(imageFolder: string | undefined): (line: NumberedLine) => Promise<readonly Content[]> {
  const check = validator(KeepBody);
  return async (line) => {
    const value = parse(requireText(line.text));
    const isList = typeof value === "object" && value !== null && "documents" in value;
    const { body, images } = await takePaths(isList ? value : { documents: [value] }, imageFolder);
    const checked = check(body);
    if ("error" in checked) throw checked.error;
    return withImages({ query: "", documents: readKeep(checked.value).documents }, images).documents;
  };
}

function requireText(text: string | RerankError): string {
  if (text instanceof RerankError) throw text;
  return text;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new RerankError("invalid_json", "expected JSON, got text that is not JSON");
  }
}

async function orError(read: () => Promise<readonly Content[]>): Promise<readonly Content[] | RerankError> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof RerankError) return error;
    throw error;
  }
}
