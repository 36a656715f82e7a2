/** Reads a file that the user named. */

import { readFile } from "node:fs/promises";
import { RerankError } from "../errors.js";
import { decodeUtf8File } from "../files/utf8.js";

/** Throws invalid_request, with one line that names the file. */
export async function readText(path: string): Promise<string> {
  return decodeUtf8File(await readBytes(path), path);
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw unreadable(path, error);
  }
}

export function unreadable(path: string, error: unknown): RerankError {
  const reason = error instanceof Error ? error.message : String(error);
  return new RerankError("invalid_request", `${path} cannot be read: ${reason}`);
}
