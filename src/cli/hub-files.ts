/** Finds a model's files in the hub's cache and verifies them, without asking the hub. */

import { modelReference } from "../load.js";
import { cachedModel, headName } from "../model/cached-files.js";
import { fileMismatch } from "../model/checksum.js";
import { hubEnvironment } from "../model/hub-environment.js";
import { isOfficial } from "../model/official.js";
import type { HubModelSettings } from "../settings/table.js";

export interface HubFileState {
  readonly file: string;
  /** undefined = not in the cache. */
  readonly path?: string;
  readonly state: string;
}

export interface HubFiles {
  readonly repository: string;
  readonly revision: string;
  readonly commit?: string;
  readonly cache: string;
  readonly files: readonly HubFileState[];
}

/** Computes the checksums anew, whatever is remembered of the files. */
export async function hubFiles(settings: HubModelSettings): Promise<HubFiles> {
  const { modelId: repository, modelFile: file, modelRevision: revision } = settings;
  const reference = modelReference(settings);
  const { cacheDirectory } = await hubEnvironment(settings);
  const found = (await cachedModel(cacheDirectory, reference, true)) ?? (await cachedModel(cacheDirectory, reference, false));
  const states = [
    { name: file, cached: found?.model },
    { name: headName, cached: found?.head },
  ].map(async ({ name, cached }): Promise<HubFileState> => {
    if (!cached) return { file: name, state: "not in the cache; the command download fetches it" };
    const { path, expected } = cached;
    if (!expected) return { file: name, path, state: "not verified: the cache does not say its checksum" };
    const error = await fileMismatch(path, expected);
    const against =
      isOfficial(repository) || (name === headName && found?.borrowed)
        ? "the published checksum"
        : "the checksum the hub gave it";
    return { file: name, path, state: error ? `wrong: ${error.message}` : `verified against ${against}` };
  });
  return {
    repository,
    revision,
    ...(found && { commit: found.commit }),
    cache: cacheDirectory,
    files: await Promise.all(states),
  };
}
