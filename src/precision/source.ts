/** The checksum of a model file, read once and remembered while the file stays what it is. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readFile, realpath, rename, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { cacheDirectory } from "../model/cache.js";
import { checksumNamed } from "../model/checksum.js";

/** SHA-256 in hexadecimal digits. A file of the hub's cache has it as its name. */
export async function sourceChecksum(path: string, onProgress: (fraction: number) => void): Promise<string> {
  const real = await realpath(path);
  const named = checksumNamed(basename(real));
  if (named?.algorithm === "sha256") return named.hex;
  const { size, mtimeMs, ctimeMs, ino } = await stat(real);
  const identity = JSON.stringify({ path: real, size, mtimeMs, ctimeMs, ino });
  const record = join(cacheDirectory(), "checksums", `${createHash("sha256").update(identity).digest("hex")}.sha256`);
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
  // Only a saving of time: where it cannot be kept, the next start reads the file again.
  await mkdir(join(record, ".."), { recursive: true })
    .then(() => writeFile(`${record}.${process.pid}`, checksum))
    .then(() => rename(`${record}.${process.pid}`, record))
    .catch(() => {});
  return checksum;
}
