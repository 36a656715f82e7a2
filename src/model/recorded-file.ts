/**
 * Files that the program makes for itself and finds again, such as the demo model. A record of size and sha256 lies beside each.
 * The record is written last, so a file without one was not finished. A file that did not change since it was checked is not
 * read again.
 */

import { readFile, rm, stat } from "node:fs/promises";
import { type Static, Type } from "typebox";
import { Check } from "typebox/value";
import { produceAtomically, writeAtomically } from "../files/write-atomically.js";
import { type Expected, hashFile } from "./checksum.js";
import { isFile } from "./hub-cache.js";
import { remember, unverified } from "./verified.js";

const Sum = Type.Object({ size: Type.Integer({ minimum: 0 }), sha256: Type.String({ pattern: "^[0-9a-f]{64}$" }) });

export type Finding = { readonly state: "absent" | "whole" } | { readonly state: "damaged"; readonly reason: string };

/** Makes the file and its record; `produce` gets the path to write to. */
export async function produceRecorded(path: string, produce: (unfinished: string) => Promise<unknown>): Promise<void> {
  const made = await produceAtomically(path, async (unfinished) => {
    await produce(unfinished);
    const record = await measure(unfinished);
    // The record of an earlier file would be wrong beside this one.
    await rm(recordPath(path), { force: true });
    return record;
  });
  await writeAtomically(recordPath(path), `${JSON.stringify(made)}\n`);
  await remember(path, expectedOf(made));
}

/** Writes the record of a complete file. */
export async function recordFile(path: string): Promise<void> {
  await writeAtomically(recordPath(path), `${JSON.stringify(await measure(path))}\n`);
}

/** Whether the file exists and is what was written. When it must be read, `onBytes` gets the number of bytes read each time. */
export async function findRecorded(path: string, onBytes: (bytes: number) => void = () => {}): Promise<Finding> {
  if (!(await isFile(path))) return { state: "absent" };
  const record = await readRecord(path);
  if (!record) return { state: "damaged", reason: `${path}: there is no record of its checksum` };
  const error = await unverified(path, expectedOf(record), onBytes);
  return error ? { state: "damaged", reason: error.message } : { state: "whole" };
}

export async function removeRecorded(path: string): Promise<void> {
  await rm(recordPath(path), { force: true });
  await rm(path, { force: true });
}

/** The record lies beside the file. */
export function recordPath(path: string): string {
  return `${path}.checksum.json`;
}

async function measure(path: string): Promise<Static<typeof Sum>> {
  const { size } = await stat(path);
  const hash = await hashFile(path, { size, checksum: { algorithm: "sha256", hex: "" } }, () => {});
  return { size, sha256: hash.digest("hex") };
}

async function readRecord(path: string): Promise<Static<typeof Sum> | undefined> {
  const text = await readFile(recordPath(path), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    const record: unknown = JSON.parse(text);
    return Check(Sum, record) ? record : undefined;
  } catch {
    return undefined;
  }
}

function expectedOf({ size, sha256 }: Static<typeof Sum>): Expected {
  return { size, checksum: { algorithm: "sha256", hex: sha256 } };
}
