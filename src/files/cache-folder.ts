/** The cache folder, for what the program makes once and finds again: the demo model, converted weights, measured times. */

import { access, mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { RerankError } from "../errors.js";
import { diskFailure } from "./disk-failure.js";
import { produceAtomically, sweepUnfinished } from "./write-atomically.js";

/** `jina-reranker` in XDG_CACHE_HOME (on Windows LOCALAPPDATA), else in ~/.cache. Not created here. */
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

/**
 * The user's home folder. Many users of containers have none: then it throws cache_not_writable and names the variable to set
 * instead.
 */
export function homeFolder(variable: string, home: () => string = homedir): string {
  try {
    return home();
  } catch (error) {
    const message = `this user has no home folder for caches, and HOME is not set; set ${variable} to a folder that this user may write to`;
    throw new RerankError("cache_not_writable", message, { cause: error });
  }
}

/**
 * Returns the folder `name` in `root`; `make` fills it if it is absent. The folder appears complete or not at all, so two
 * processes may call this at once, and a killed one leaves nothing that looks finished. Also removes old remains of killed runs.
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
    // Another process made the same folder first.
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
