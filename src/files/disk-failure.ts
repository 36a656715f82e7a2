/** What the operating system says when a file cannot be had, as an error that says what to do. */

import { RerankError } from "../errors.js";

/** The code of an error of Node, such as ENOSPC. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** What the disk refused, as one error that names the place; `variables` choose another. */
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
