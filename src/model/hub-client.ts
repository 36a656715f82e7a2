/**
 * The hub's API. What is asked and how answers are read is the official client's; this adds what it has not: proxies, tries
 * again, errors that say what to do, and a token that goes to the hub alone.
 */

import { modelInfo, pathsInfo } from "@huggingface/hub";
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
  /** The GGUF's path in it. */
  readonly file: string;
  /** Where the score head is taken from; undefined = the same, or the official one where it has none. */
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

/** Milliseconds without a byte after which a connection counts as broken. */
const silenceMs = 30_000;
/** Of a repository's files in a message. */
const maximumListed = 40;

export class HubClient implements AsyncDisposable {
  readonly persistence: Persistence;
  readonly #asking: Patience;
  readonly #environment: HubEnvironment;
  readonly reference: RepositoryReference;
  readonly #dispatcher: Dispatcher;

  /** `asking` is the patience with the API, that of `persistence` is for content. */
  constructor(environment: HubEnvironment, reference: RepositoryReference, persistence: Persistence, asking: Patience) {
    this.#environment = environment;
    this.reference = reference;
    this.persistence = persistence;
    this.#asking = asking;
    this.#dispatcher = dispatcher();
  }

  /** What the revision is now. A mirror may list no paths. */
  async revision(): Promise<Revision> {
    const { repository, revision } = this.reference;
    const { sha, filePaths } = await modelInfo({
      ...this.#asked(RevisionAnswer),
      name: repository,
      revision,
      additionalFields: ["sha", "filePaths"],
    });
    return { commit: sha, paths: filePaths };
  }

  /**
   * In the order of `paths`; undefined = the repository has none there. Throws checksum_mismatch when the hub's checksum is not the
   * published file's.
   */
  async find({ commit }: Revision, paths: readonly string[]): Promise<readonly (RemoteFile | undefined)[]> {
    const { repository } = this.reference;
    const found = await pathsInfo({
      ...this.#asked(PathsAnswer),
      repo: { type: "model", name: repository },
      revision: commit,
      paths: [...paths],
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

  /** The file from `start` on. Throws Passing when it may work later: who reads the body goes on from where it broke. */
  async content(url: string, start: number): Promise<Response> {
    const range: Sent["headers"] = start > 0 ? [["range", `bytes=${start}-`]] : [];
    return this.#once(url, { method: "GET", headers: [["accept-encoding", "identity"], ...range] });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#dispatcher.destroy();
  }

  /**
   * Where the official client asks, and with what; it sees only answers of `schema`. The token is not given to it: it takes only
   * those that begin with hf_.
   */
  #asked(schema: typeof RevisionAnswer | typeof PathsAnswer) {
    const fetch: typeof globalThis.fetch = async (input, { method = "GET", headers, body } = {}) => {
      // All that the official client sends.
      const request = { method, headers: [...new Headers(headers)], ...(typeof body === "string" && { body }) };
      const persistence = { ...this.persistence, patience: this.#asking };
      const text = await retrying(persistence, () => this.#answer(String(input), request, schema));
      return new globalThis.Response(text, { headers: { "content-type": "application/json" } });
    };
    return { hubUrl: this.#environment.endpoint, fetch };
  }

  /** One answer of the API, whole and of the form it must have. */
  async #answer(url: string, request: Sent, schema: typeof RevisionAnswer | typeof PathsAnswer): Promise<string> {
    const { answerMs } = this.#asking;
    const response = await this.#once(url, request, AbortSignal.timeout(answerMs));
    try {
      const text = await readBounded(response, maximumAnswerBytes, answerMs);
      parseAnswer(schema, text);
      return text;
    } catch (error) {
      throw this.failure(error, response.url || url);
    }
  }

  async #once(url: string, init: Sent, limit?: AbortSignal): Promise<Response> {
    const { endpoint, authorization } = this.#environment;
    const headers = new Headers(init.headers);
    headers.set("user-agent", userAgent);
    // Redirects to another host lose it: that is fetch's rule, and a test's.
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

  /** What an exception of a request, or of reading its body, means. */
  failure(error: unknown, url: string): unknown {
    const { signal } = this.persistence;
    return signal?.aborted ? signal.reason : error instanceof Passing ? error : networkFailure(error, url);
  }

  /** The error that a file is not there: what is there instead, and which name was probably meant. */
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
    // Not repeated: it may hold a password.
    throw new RerankError("invalid_option", `${name}: expected the http or https address of a proxy, got something else`);
  }
  return proxied.length > 0 ? new EnvHttpProxyAgent(options) : new Agent(options);
}

const userAgent = `jina-reranker/${packageVersion}; node/${process.versions.node}`;
