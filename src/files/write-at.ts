/** Writes at positions. To continue a file one would open it for appending, but Windows cannot truncate such a file. */

import { constants, type FileHandle, open } from "node:fs/promises";

/** Opens for reading and writing, creates the file if it is absent, keeps its content. */
export function openToContinue(path: string, moreFlags = 0): Promise<FileHandle> {
  return open(path, constants.O_RDWR | constants.O_CREAT | moreFlags);
}

/** Writes all bytes. One write of the system may take fewer. */
export async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
  }
}
