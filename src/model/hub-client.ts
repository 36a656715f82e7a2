/**
 * The hub's API. What is asked and how answers are read is the official client's; this adds what it has not: proxies, tries
 * again, errors that say what to do, and a token that goes to the hub alone.
 */

import { readFileSync } from "node:fs";
import { modelInfo, pathsInfo } from "@huggingface/hub";
import { Agent, type Dispatcher, EnvHttpProxyAgent, type Response, fetch as send } from "undici";
import { RerankError } from "../errors.js";
import { nearest } from "../nearest.js";
import { type Expected, mismatch } from "./checksum.js";
import type { HubEnvironment } from "./hub-environment.js";
import { networkFailure, refusal } from "./hub-failures.js";
import { pinnedFile } from "./official.js";
import { Passing, type Persistence, retrying } from "./retry.js";

export interface ModelReference {
  /** `org/name`. */
  readonly repository: string;
  /** The GGUF's path in it. */
  readonly file: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

export interface RemoteFile extends Expected {
  readonly path: string;
  readonly url: string;
}

export interface Revision {
  readonly commit: string;
  readonly paths: readonly string[];
}

interface Sent {
  readonly method: string;
  readonly headers: [string, string][];
  readonly body?: string;
}

/** Milliseconds without a byte after which a connection counts as broken. */
const silenceMs = 30_000;

export class HubClient implements AsyncDisposable {
  readonly persistence: Persistence;
  readonly #environment: HubEnvironment;
  readonly #reference: ModelReference;
  readonly #dispatcher: Dispatcher;

  constructor(environment: HubEnvironment, reference: ModelReference, persistence: Persistence) {
    this.#environment = environment;
    this.#reference = reference;
    this.persistence = persistence;
    this.#dispatcher = dispatcher();
  }

  /** What the revision is now. */
  async revision(): Promise<Revision> {
    const { repository, revision } = this.#reference;
    const { sha, filePaths } = await modelInfo({
      ...this.#asked(),
      name: repository,
      revision,
      additionalFields: ["sha", "filePaths"],
    });
    return { commit: sha, paths: filePaths };
  }

  /** Throws hub_not_found when one is missing, checksum_mismatch when the hub's checksum is not the published file's. */
  async files({ commit, paths: known }: Revision, paths: readonly string[]): Promise<readonly RemoteFile[]> {
    const { repository } = this.#reference;
    const found = await pathsInfo({
      ...this.#asked(),
      repo: { type: "model", name: repository },
      revision: commit,
      paths: [...paths],
    });
    return paths.map((path) => {
      const info = found.find((candidate) => candidate.path === path && candidate.type === "file");
      if (!info) throw this.#missing(path, known);
      const { size, lfs, oid = "" } = info;
      const file: RemoteFile = {
        path,
        size: lfs?.size ?? size,
        checksum: lfs ? { algorithm: "sha256", hex: lfs.oid } : { algorithm: "git-sha1", hex: oid },
        url: `${this.#environment.endpoint}/${repository}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`,
      };
      const pinned = pinnedFile(repository, path);
      if (pinned && (pinned.size !== file.size || pinned.checksum.hex !== file.checksum.hex)) {
        const from = `${path} of ${repository} at ${new URL(this.#environment.endpoint).host}`;
        throw mismatch(from, pinned, { size: file.size, hex: file.checksum.hex });
      }
      return file;
    });
  }

  /** The file from `start` on. Throws Passing when it may work later: who reads the body goes on from where it broke. */
  async content(url: string, start: number): Promise<Response> {
    const range: Sent["headers"] = start > 0 ? [["range", `bytes=${start}-`]] : [];
    return this.#once(url, { method: "GET", headers: [["accept-encoding", "identity"], ...range] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy();
  }

  /** Where the official client asks, and with what. The token is not given to it: it takes only those that begin with hf_. */
  #asked() {
    const fetch: typeof globalThis.fetch = async (input, { method = "GET", headers, body } = {}) => {
      // All that the official client sends.
      const request = { method, headers: [...new Headers(headers)], ...(typeof body === "string" && { body }) };
      return retrying(this.persistence, () => this.#once(String(input), request));
    };
    return { hubUrl: this.#environment.endpoint, fetch };
  }

  async #once(url: string, init: Sent): Promise<Response> {
    const { endpoint, token } = this.#environment;
    const headers = new Headers(init.headers);
    headers.set("user-agent", userAgent);
    // Redirects to another host lose it: that is fetch's rule, and a test's.
    const trusted = token !== undefined && new URL(url).origin === new URL(endpoint).origin;
    if (trusted) headers.set("authorization", `Bearer ${token}`);
    let response: Response;
    try {
      const { signal } = this.persistence;
      response = await send(url, { ...init, ...(signal && { signal }), headers: [...headers], dispatcher: this.#dispatcher });
    } catch (error) {
      throw this.failure(error, url);
    }
    if (response.ok) return response;
    throw await refusal(response, { ...this.#reference, endpoint, url, token: trusted });
  }

  /** What an exception of a request, or of reading its body, means. */
  failure(error: unknown, url: string): unknown {
    const { signal } = this.persistence;
    return signal?.aborted ? signal.reason : error instanceof Passing ? error : networkFailure(error, url);
  }

  #missing(path: string, known: readonly string[]): RerankError {
    const ending = path.slice(path.lastIndexOf("."));
    const similar = known.filter((name) => name.toLowerCase().endsWith(ending.toLowerCase()));
    const guess = nearest(path, similar);
    const listed = similar.length > 0 ? `it has ${similar.join(", ")}` : `it has no ${ending} file`;
    const message = `${this.#reference.repository} has no ${path} at ${this.#reference.revision}; ${listed}`;
    return new RerankError("hub_not_found", guess === undefined ? message : `${message}. Did you mean ${guess}?`);
  }
}

function dispatcher(): Dispatcher {
  const options = { bodyTimeout: silenceMs, headersTimeout: silenceMs, connect: { timeout: 10_000 } };
  const proxied = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"].some((name) => process.env[name]);
  return proxied ? new EnvHttpProxyAgent(options) : new Agent(options);
}

const userAgent = `jina-reranker/${packageVersion()}; node/${process.versions.node}`;

function packageVersion(): string {
  const manifest: { version?: string } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return manifest.version ?? "unknown";
}
