/** Reads documents from a file: one a line, or JSON Lines as the command line reads them. */

import { member, parseJson } from "../../../client/json.js";

export interface DocumentFile {
  readonly documents: readonly string[];
  /** Only of files with lines {"query","documents"}. */
  readonly query?: string;
  /** What was changed or left out, for the page to show. */
  readonly notes: readonly string[];
}

/** A textarea becomes slow beyond this. */
const mostBytes = 8 * 2 ** 20;

/** Throws an error whose message can be shown. */
export async function readDocumentFile(file: File): Promise<DocumentFile> {
  if (file.size > mostBytes) throw new Error(`${file.name} has more than 8 MiB; the page takes smaller files only`);
  const text = await file.text();
  if (text.includes("\0")) throw new Error(`${file.name} is not a text file`);
  const isJson = /\.(jsonl|ndjson)$/i.test(file.name);
  const read = isJson ? readJsonLines(text, file.name) : { documents: documentsIn(text), notes: [] };
  if (read.documents.length === 0) throw new Error(`${file.name} holds no document`);
  return read;
}

/** The documents of a text with one a line. */
export function documentsIn(text: string): string[] {
  return text
    .split(/\r\n|\r|\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

function readJsonLines(text: string, name: string): DocumentFile {
  const documents: string[] = [];
  const notes: string[] = [];
  let query: string | undefined;
  let joined = 0;
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const value = parseJson(line);
    const request = requestOf(value);
    if (query !== undefined || (request && documents.length > 0)) {
      notes.push(`${name} was read up to line ${index}: one request at a time.`);
      break;
    }
    query = request?.query;
    for (const document of request?.documents ?? [textOf(value)]) {
      if (document === undefined) {
        throw new Error(`${name}, line ${index + 1}: expected a string, {"text"} or {"query","documents"}`);
      }
      const oneLine = document.replace(/\s*[\r\n]+\s*/g, " ").trim();
      if (oneLine !== document.trim()) joined += 1;
      if (oneLine !== "") documents.push(oneLine);
    }
  }
  if (joined > 0) notes.push(`Line breaks inside ${joined === 1 ? "a document" : `${joined} documents`} became spaces.`);
  return { documents, notes, ...(query !== undefined && { query }) };
}

function textOf(value: unknown): string | undefined {
  const text = typeof value === "string" ? value : (member(value, "text") ?? member(value, "document"));
  return typeof text === "string" ? text : undefined;
}

function requestOf(value: unknown): { query: string; documents: (string | undefined)[] } | undefined {
  const query = member(value, "query");
  const documents = member(value, "documents");
  return typeof query === "string" && Array.isArray(documents) ? { query, documents: documents.map(textOf) } : undefined;
}
