/** The documents that `warm` computes: files, or the lines of files or of stdin. Nothing is read before its turn comes. */

import { RerankError } from "../errors.js";
import type { Content, KeepRequest } from "../types.js";
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

/** What changes the states of a line's documents. */
export type LineOptions = Pick<KeepRequest, "instruction" | "passages" | "maxDocumentTokens" | "truncate">;

export interface Documents {
  readonly documents: readonly Content[];
  readonly options: LineOptions;
}

/** A file's or a line's documents, or why there are none; `name` is the user's for it. */
export interface Source {
  readonly name: string;
  readonly content: Documents | RerankError;
}

/** Ends without an error when the signal aborts. */
export async function* sourcesOf({ files, jsonl, shard, imageFolder }: WarmInput, signal: AbortSignal): AsyncGenerator<Source> {
  if (files.length > 0 && !jsonl) {
    for (const name of files) {
      if (signal.aborted) return;
      yield { name, content: await orError(async () => alone(await readDocument(name))) };
    }
    return;
  }
  const read = jsonl ? lineReader(imageFolder) : async ({ text }: NumberedLine) => alone(requireText(text));
  const lines = numberedLines({ files, shard: shard ?? wholeFile, skip: 0, empty: false, signal });
  for await (const line of lines) yield { name: `line ${line.number}`, content: await orError(() => read(line)) };
}

function alone(document: Content): Documents {
  return { documents: [document], options: {} };
}

function lineReader(imageFolder: string | undefined): (line: NumberedLine) => Promise<Documents> {
  const check = validator(KeepBody);
  return async (line) => {
    const value = parse(requireText(line.text));
    const isList = typeof value === "object" && value !== null && "documents" in value;
    const { body, images } = await takePaths(isList ? value : { documents: [value] }, imageFolder);
    const checked = check(body);
    if ("error" in checked) throw checked.error;
    // The priority is for queries of others, which the command has none of.
    const { documents, maxDocuments: _any, priority: _none, ...options } = readKeep(checked.value);
    return { documents: withImages({ query: "", documents }, images).documents, options };
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

async function orError(read: () => Promise<Documents>): Promise<Documents | RerankError> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof RerankError) return error;
    throw error;
  }
}
