/**
 * The two routes of the hub's API that a download needs, for one repository, and the content of its files: with proxies, retries,
 * errors that say what to do, and a token that is sent to the hub only.
 */

import type { Static, TSchema } from "typebox";
import { Agent, type Dispatcher, EnvHttpProxyAgent, type Response, fetch as send } from "undici";
import { RerankError } from "../errors.js";
import { packageVersion } from "../files/package-version.js";
import { nearest } from "../settings/nearest.js";
import { type Checksum, checksumNamed, type Expected, mismatch } from "./checksum.js";
import { maximumAnswerBytes, PathsAnswer, parseAnswer, printable, RevisionAnswer, readBounded } from "./hub-answers.js";
import type { HubEnvironment } from "./hub-environment.js";
import { networkFailure, notTheHub, refusal } from "./hub-failures.js";
import { pinnedFile } from "./official.js";
import { Passing, type Patience, type Persistence, retrying } from "./retry.js";

export interface RepositoryReference {
  /** `org/name`. */
  readonly repository: string;
  /** A branch, a tag or a commit. */
  readonly revision: string;
}

export interface ModelReference extends RepositoryReference {
  /** Path of the GGUF inside the repository. */
  readonly file: string;
  /** HEAD_ID; undefined = the head of the same repository, or the official one when that has none. */
  readonly headRepository: string | undefined;
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

/** A connection counts as broken after this many milliseconds without a byte. */
const silenceMs = 30_000;
/** An error message lists at most this many of a repository's files. */
const maximumListed = 40;

export class HubClient implements AsyncDisposable {
  readonly persistence: Persistence;
  readonly #asking: Patience;
  readonly #environment: HubEnvironment;
  readonly reference: RepositoryReference;
  readonly #dispatcher: Dispatcher;

  /** `asking` limits the retries of API requests, `persistence.patience` those of downloads. */
  constructor(environment: HubEnvironment, reference: RepositoryReference, persistence: Persistence, asking: Patience) {
    this.#environment = environment;
    this.reference = reference;
    this.persistence = persistence;
    this.#asking = asking;
    this.#dispatcher = dispatcher();
  }

  /** The commit that the revision names now, and the repository's files. A mirror may list none. */
  async revision(): Promise<Revision> {
    const route = `revision/${encodeURIComponent(this.reference.revision)}?expand=sha&expand=siblings`;
    const { sha, siblings = [] } = await this.#ask(RevisionAnswer, route, { method: "GET", headers: [] });
    return { commit: sha, paths: siblings.map(({ rfilename }) => rfilename) };
  }

  /**
   * Size, checksum and address of each path, in the order of `paths`; undefined = the repository has no such file. Throws
   * checksum_mismatch when the hub announces another checksum than the pinned one.
   */
  async find({ commit }: Revision, paths: readonly string[]): Promise<readonly (RemoteFile | undefined)[]> {
    const { repository } = this.reference;
    const found = await this.#ask(PathsAnswer, `paths-info/${commit}`, {
      method: "POST",
      headers: [["content-type", "application/json"]],
      body: JSON.stringify({ paths }),
    });
    return paths.map((path) => {
      const info = found.find((candidate) => candidate.path === path && candidate.type === "file");
      if (!info) return undefined;
      const { size, lfs, oid } = info;
      const file: RemoteFile = {
        path,
        size: lfs?.size ?? size,
        checksum: this.#checksum(path, lfs?.oid ?? oid),
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

  /** Requests the file from byte `start` on, up to `end` or its own end. Throws Passing for failures that a retry may mend. */
  async content(url: string, start: number, end?: number): Promise<Response> {
    const last = end === undefined ? "" : end - 1;
    const range: Sent["headers"] = start > 0 || end !== undefined ? [["range", `bytes=${start}-${last}`]] : [];
    return this.#once(url, { method: "GET", headers: [["accept-encoding", "identity"], ...range] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy();
  }

  /** An answer of the API's route for this repository, asked again while a retry may help. */
  async #ask<Schema extends TSchema>(schema: Schema, route: string, request: Sent): Promise<Static<Schema>> {
    const url = `${this.#environment.endpoint}/api/models/${this.reference.repository}/${route}`;
    return retrying({ ...this.persistence, patience: this.#asking }, () => this.#answer(url, request, schema));
  }

  /** One request to the API. Returns the answer, whose shape was checked. */
  async #answer<Schema extends TSchema>(url: string, request: Sent, schema: Schema): Promise<Static<Schema>> {
    const { answerMs } = this.#asking;
    const response = await this.#once(url, request, AbortSignal.timeout(answerMs));
    try {
      return parseAnswer(schema, await readBounded(response, maximumAnswerBytes, answerMs));
    } catch (error) {
      throw this.failure(error, response.url || url);
    }
  }

  async #once(url: string, init: Sent, limit?: AbortSignal): Promise<Response> {
    const { endpoint, authorization } = this.#environment;
    const headers = new Headers(init.headers);
    headers.set("user-agent", userAgent);
    // fetch drops this header when it follows a redirect to another host. A test holds that.
    const sent = new URL(url).origin === new URL(endpoint).origin ? authorization : undefined;
    if (sent !== undefined) headers.set("authorization", sent);
    const signals = [this.persistence.signal, limit].filter((signal) => signal !== undefined);
    let response: Response;
    try {
      const dispatcher = this.#dispatcher;
      response = await send(url, { ...init, signal: AbortSignal.any(signals), headers: [...headers], dispatcher });
    } catch (error) {
      throw this.failure(error, url);
    }
    if (response.ok) return response;
    throw await refusal(response, { ...this.reference, endpoint, url, token: sent?.replace(/^\w+ /, "") });
  }

  #checksum(path: string, name: string | undefined): Checksum {
    const checksum = name === undefined ? undefined : checksumNamed(name);
    if (checksum) return checksum;
    throw notTheHub(new URL(this.#environment.endpoint).host, `no checksum for ${path}`);
  }

  /** Turns an exception of a request, or of reading its body, into the error to throw. */
  failure(error: unknown, url: string): unknown {
    const { signal } = this.persistence;
    return signal?.aborted ? signal.reason : error instanceof Passing ? error : networkFailure(error, url);
  }

  /** The error for a file that the repository lacks: lists files with the same ending and guesses which one was meant. */
  missing(path: string, { paths: known }: Revision): RerankError {
    const ending = path.slice(path.lastIndexOf("."));
    const similar = known
      .filter((name) => name.toLowerCase().endsWith(ending.toLowerCase()))
      .map((name) => printable(name))
      .slice(0, maximumListed);
    const guess = nearest(path, similar);
    const listed = similar.length > 0 ? `it has ${similar.join(", ")}` : `it has no ${ending} file`;
    const message = `${this.reference.repository} has no ${path} at ${this.reference.revision}; ${listed}`;
    return new RerankError("hub_not_found", guess === undefined ? message : `${message}. Did you mean ${guess}?`);
  }
}

function dispatcher(): Dispatcher {
  const options = { bodyTimeout: silenceMs, headersTimeout: silenceMs, connect: { timeout: 10_000 } };
  const proxied = ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"].filter((name) => process.env[name]);
  for (const name of proxied) {
    const value = process.env[name] ?? "";
    if (/^https?:\/\//i.test(value) && URL.canParse(value)) continue;
    // The message does not repeat the value: it may hold a password.
    throw new RerankError("invalid_option", `${name}: expected the http or https address of a proxy, got something else`);
  }
  return proxied.length > 0 ? new EnvHttpProxyAgent(options) : new Agent(options);
}

const userAgent = `jina-reranker/${packageVersion}; node/${process.versions.node}`;
