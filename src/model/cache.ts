/** The cache folder: what the program makes or fetches once and finds again. */

import { access, mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { produceAtomically, sweepUnfinished } from "../files/write-atomically.js";

/** XDG_CACHE_HOME, else ~/.cache; LOCALAPPDATA on Windows. Not created here. */
export function cacheDirectory(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  const chosen = platform === "win32" ? environment.LOCALAPPDATA : environment.XDG_CACHE_HOME;
  return join(chosen || join(homedir(), ".cache"), "jina-reranker");
}

/**
 * The folder `name` in `root`, made by `make` if it is absent, with what runs that were killed have left in `root` removed. It
 * appears whole or not at all, so two processes may ask at once, and one that is killed leaves nothing that looks finished.
 */
export async function cachedDirectory(
  root: string,
  name: string,
  make: (directory: string) => Promise<unknown>,
): Promise<string> {
  const directory = join(root, name);
  await sweepUnfinished(root);
  if (await exists(directory)) return directory;
  try {
    await produceAtomically(directory, async (unfinished) => {
      await mkdir(unfinished);
      await make(unfinished);
    });
  } catch (error) {
    // Another process was faster: its folder is as good.
    if (!(await exists(directory))) throw error;
  }
  return directory;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
