/** Writing at positions. Files opened for appending cannot be shortened on Windows, so what continues a file writes like this. */

import { constants, type FileHandle, open } from "node:fs/promises";

/** For reading and writing, created if it is absent; what is in it stays. */
export function openToContinue(path: string, moreFlags = 0): Promise<FileHandle> {
  return open(path, constants.O_RDWR | constants.O_CREAT | moreFlags);
}

/** All of it; the system may take less at a time. */
export async function writeAt(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let at = 0; at < bytes.length; ) {
    at += (await file.write(bytes, at, bytes.length - at, position + at)).bytesWritten;
  }
}
