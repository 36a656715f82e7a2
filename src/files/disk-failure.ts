/** Turns an operating system's error about a file into one that says what to do. */

import { RerankError } from "../errors.js";

/** The code of a Node error, such as ENOSPC. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** `path` is the file that failed; `variables` name the settings that choose another folder. */
export function diskFailure(error: unknown, path: string, variables = "HF_HUB_CACHE or HF_HOME"): Error {
  const code = codeOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  if (code === "ENOSPC" || code === "EDQUOT" || code === "EFBIG") {
    const advice = `make room, or choose another disk with ${variables}`;
    return new RerankError("disk_full", `no room for ${path} (${reason}); ${advice}`, { cause: error });
  }
  if (code !== undefined && ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "ENOENT"].includes(code)) {
    const advice = `choose a folder that this user may write to with ${variables}`;
    return new RerankError("cache_not_writable", `the cache cannot be written: ${reason}; ${advice}`, { cause: error });
  }
  return error instanceof Error ? error : new Error(reason);
}
