/** Checks of files that a user names: what the file is when it is no model or score head, and what to do. */

import { open, readdir, stat } from "node:fs/promises";
import { RerankError } from "../errors.js";
import { isWebPage, printable } from "./hub-answers.js";

/** Gives its bytes. Throws model_not_found or model_invalid for a folder, a Git LFS pointer or a web page. The engine checks the rest. */
export async function requireModelFile(path: string): Promise<number> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) throw new RerankError("model_not_found", `${path}: ${await folderInstead(path, ".gguf")}`);
    const mistaken = mistakenFor(await beginningOf(path));
    if (mistaken !== undefined) throw new RerankError("model_invalid", `${path}: ${mistaken}`);
    return found.size;
  } catch (error) {
    if (error instanceof RerankError) throw error;
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    throw new RerankError("model_not_found", `${path}: ${missing ? "no such file" : String(error)}`, { cause: error });
  }
}

/** The end of a message about a folder that was named in place of a file. Lists up to five files in it. */
export async function folderInstead(path: string, ending: string): Promise<string> {
  const names = (await readdir(path).catch(() => [])).filter((name) => name.toLowerCase().endsWith(ending)).sort();
  const listed = names
    .slice(0, 5)
    .map((name) => printable(name))
    .join(", ");
  return `expected ${ending === ".gguf" ? "a" : "an"} ${ending} file, got a folder; ${names.length > 0 ? `in it are ${listed}` : `there is no ${ending} file in it`}`;
}

/** Recognises a file by its first bytes as a Git LFS pointer or a web page, and says what to do; undefined = neither. */
export function mistakenFor(beginning: Uint8Array): string | undefined {
  if (Buffer.from(beginning.subarray(0, 64)).toString("latin1").startsWith("version https://git-lfs.github.com/spec/")) {
    return "a Git LFS pointer, not the file itself; run `git lfs pull` in its repository, or fetch it with `jina-reranker download`";
  }
  if (isWebPage(beginning)) {
    return "a web page (HTML) saved under this name, not the file itself; take the page's download link (…/resolve/…, not …/blob/…), or fetch it with `jina-reranker download`";
  }
  return undefined;
}

/** The first 512 bytes, or all of fewer. */
export async function beginningOf(path: string): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
