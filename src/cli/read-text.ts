/** A file the user named, as text. */

import { readFile } from "node:fs/promises";
import { RerankError } from "../errors.js";

/** Throws one line that names the file. */
export async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new RerankError("invalid_request", `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}
