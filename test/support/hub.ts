/** A model repository on a double of the hub, and an empty cache to fetch it into. */

import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RerankError } from "../../src/errors.js";
import { type FetchedModel, type FetchOptions, fetchModel } from "../../src/model/fetch-model.js";
import type { ModelReference } from "../../src/model/hub-client.js";
import type { HubEnvironment } from "../../src/model/hub-environment.js";
import type { Transfer } from "../../src/model/transfer.js";
import { bytesFile, type HubDouble, type HubFile, startHub } from "./hub-double.js";

export const repository = "someone/jina-reranker-copy";
export const modelFile = "jina-reranker-m0-Q4_K_M.gguf";
export const headFile = "mlp_weights.npz";
export const modelSize = 3_000_000;
export const headSize = 100_000;

export interface HubTest extends AsyncDisposable {
  readonly hub: HubDouble;
  readonly model: HubFile;
  readonly head: HubFile;
  /** Folder of the cache and of the records of verified files. */
  readonly root: string;
  readonly cacheDirectory: string;
  readonly environment: HubEnvironment;
  readonly notices: string[];
  readonly transfers: Transfer[];
  /** Fetches with retries that come at once. */
  fetch(
    change?: Partial<HubEnvironment>,
    reference?: Partial<ModelReference>,
    options?: Partial<FetchOptions>,
  ): Promise<FetchedModel>;
  /** Fetches, expects a failure, and returns the error. */
  failure(
    change?: Partial<HubEnvironment>,
    reference?: Partial<ModelReference>,
    options?: Partial<FetchOptions>,
  ): Promise<RerankError>;
  /** Relative paths of all files in the cache. */
  cached(): Promise<readonly string[]>;
}

/** An address that refuses connections. */
export async function nobody(): Promise<string> {
  const hub = await startHub();
  await hub[Symbol.asyncDispose]();
  return hub.url;
}

/** The files are random bytes under the official names, because fetching does not read their content. */
export async function hubTest(): Promise<HubTest> {
  const hub = await startHub();
  const model = bytesFile(randomBytes(modelSize));
  hub.put(repository, modelFile, model);
  const head = bytesFile(randomBytes(headSize));
  hub.put(repository, headFile, head);
  const root = await mkdtemp(join(tmpdir(), "jina-reranker-hub-"));
  // The records of verified files go there.
  process.env.XDG_CACHE_HOME = join(root, "xdg");
  const cacheDirectory = join(root, "hub");
  const environment: HubEnvironment = { endpoint: hub.url, authorization: undefined, cacheDirectory, offline: false };
  const notices: string[] = [];
  const transfers: Transfer[] = [];
  const fetch: HubTest["fetch"] = (change, reference, options) =>
    fetchModel(
      { ...environment, ...change },
      { repository, file: modelFile, revision: "main", headRepository: undefined, ...reference },
      {
        ...{ withHead: true, patience: { attempts: 3, firstMs: 1, longestMs: 2000, answerMs: 20_000 } },
        fitsOfficialHead: () => false,
        onTransfer: (transfer) => void transfers.push(transfer),
        logger: { info: (line) => notices.push(line), warn: (line) => notices.push(line) },
        ...options,
      },
    );
  return {
    ...{ hub, model, head, root, cacheDirectory, environment, notices, transfers, fetch },
    async failure(...request) {
      const outcome = await fetch(...request).catch((error: unknown) => error);
      if (outcome instanceof Error && outcome.name === "RerankError") return outcome as RerankError;
      throw outcome instanceof Error ? outcome : new Error("expected a failure, got files");
    },
    async cached() {
      const entries = await readdir(cacheDirectory, { recursive: true, withFileTypes: true }).catch(() => []);
      return entries
        .filter((entry) => !entry.isDirectory())
        .map(({ parentPath, name }) => join(parentPath, name).slice(cacheDirectory.length + 1))
        .sort();
    },
    async [Symbol.asyncDispose]() {
      await hub[Symbol.asyncDispose]();
      await rm(root, { recursive: true, force: true });
    },
  };
}
