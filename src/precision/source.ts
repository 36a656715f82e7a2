/** The checksum of a model file: computed once, and remembered until the file changes. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile, realpath, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { cacheDirectory } from "../files/cache-folder.js";
import { writeAtomically } from "../files/write-atomically.js";
import { checksumNamed } from "../model/checksum.js";
import { identity } from "../model/verified.js";

/** SHA-256 in hexadecimal digits. A file of the hub's cache is named by it. */
export async function sourceChecksum(path: string, onProgress: (fraction: number) => void): Promise<string> {
  const real = await realpath(path);
  const named = checksumNamed(basename(real));
  if (named?.algorithm === "sha256") return named.hex;
  const { size } = await stat(real);
  const key = createHash("sha256")
    .update(await identity(real))
    .digest("hex");
  const record = join(cacheDirectory(), "checksums", `${key}.sha256`);
  const known = await readFile(record, "utf8").catch(() => undefined);
  if (known !== undefined && /^[0-9a-f]{64}$/.test(known)) return known;
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(real, { highWaterMark: 1 << 20 })) {
    hash.update(chunk);
    bytes += chunk.length;
    onProgress(bytes / size);
  }
  const checksum = hash.digest("hex");
  // The record only saves time: without it the next start reads the file again.
  await writeAtomically(record, checksum).catch(() => {});
  return checksum;
}
