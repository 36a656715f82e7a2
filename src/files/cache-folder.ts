/** The cache folder: what the program makes or fetches once and finds again. */

import { access, mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { RerankError } from "../errors.js";
import { diskFailure } from "./disk-failure.js";
import { produceAtomically, sweepUnfinished } from "./write-atomically.js";

/** XDG_CACHE_HOME, else ~/.cache; LOCALAPPDATA on Windows. Not created here. */
export function cacheDirectory(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
  home: () => string = homedir,
): string {
  const variable = cacheVariable(platform);
  return join(environment[variable] || join(homeFolder(variable, home), ".cache"), "jina-reranker");
}

function cacheVariable(platform: NodeJS.Platform): "LOCALAPPDATA" | "XDG_CACHE_HOME" {
  return platform === "win32" ? "LOCALAPPDATA" : "XDG_CACHE_HOME";
}

/** Throws cache_not_writable, naming the variable that makes one needless, where this user has none, as in many containers. */
export function homeFolder(variable: string, home: () => string = homedir): string {
  try {
    return home();
  } catch (error) {
    const message = `this user has no home folder for caches, and HOME is not set; set ${variable} to a folder that can be written to`;
    throw new RerankError("cache_not_writable", message, { cause: error });
  }
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
    if (!(await exists(directory))) throw diskFailure(error, directory, cacheVariable(process.platform));
  }
  return directory;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
