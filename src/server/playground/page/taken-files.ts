/** What files of any kind hold: pictures, or documents as text. */

import type { Picture } from "./content.js";
import { readDocumentFile } from "./document-file.js";
import type { Limits } from "./limits.js";
import { holdsPicture, readPicture } from "./picture-file.js";

export interface TakenFiles {
  /** In the order of the files. */
  readonly pictures: readonly Picture[];
  /** Of all text files; undefined = there was none. */
  readonly documents: readonly string[] | undefined;
  readonly query: string | undefined;
  /** What was read, and what was wrong with the rest, for the page to show. */
  readonly notes: readonly string[];
  readonly faults: readonly string[];
}

export async function takeFiles(files: readonly File[], limits: Limits | undefined): Promise<TakenFiles> {
  const pictures: Picture[] = [];
  const notes: string[] = [];
  const faults: string[] = [];
  let documents: string[] | undefined;
  let query: string | undefined;
  // One after the other: a decoded picture takes many times its file's memory.
  for (const file of files) {
    try {
      if (holdsPicture(file)) {
        pictures.push(await readPicture(file, limits));
        continue;
      }
      const read = await readDocumentFile(file);
      documents = [...(documents ?? []), ...read.documents];
      query = read.query ?? query;
      notes.push([`${counted(read.documents.length, "document")} from ${file.name}.`, ...read.notes].join(" "));
    } catch (error) {
      faults.push(`${error instanceof Error ? error.message : String(error)}.`);
    }
  }
  return { pictures, documents, query, notes, faults };
}

export function counted(count: number, noun: string): string {
  return count === 1 ? `1 ${noun}` : `${count.toLocaleString("en")} ${noun}s`;
}
