/** Turns each failure of the hub or of the network into one error that says what to do. */

import type { Response } from "undici";
import { RerankError } from "../errors.js";
import { codeOf } from "../files/disk-failure.js";
import { retryAfterMs } from "../retries/delays.js";
import { printable, readBounded, WrongAnswer } from "./hub-answers.js";
import { Passing } from "./retry.js";

export interface Asked {
  readonly endpoint: string;
  readonly repository: string;
  /** The branch, tag or commit asked for. */
  readonly revision: string;
  readonly url: string;
  /** The token that was sent; undefined = none. */
  readonly token: string | undefined;
}

/** The error for an answer with a status other than 2xx. */
export async function refusal(response: Response, asked: Asked): Promise<RerankError | Passing> {
  const { status } = response;
  const code = response.headers.get("x-error-code") ?? "";
  // A server may repeat the token in its message.
  const said = (await saidBy(response)).replaceAll(asked.token ?? /(?!)/g, "…");
  const from = `${new URL(response.url || asked.url).host} answered ${status}${said && ` (${said})`}`;
  const { endpoint, repository, revision, token } = asked;
  // The answer comes from the storage host that the hub redirected to. It knows no tokens and no repositories.
  if (new URL(response.url || asked.url).origin !== new URL(endpoint).origin && status < 500 && status !== 429) {
    return passing(
      new RerankError("hub_unavailable", `${from}; ${endpoint} redirected there for a file of ${repository}`),
      undefined,
    );
  }
  const tokenPage = `${endpoint}/settings/tokens`;
  if (status === 403 || code === "GatedRepo") {
    const message = `${from}: ${repository} cannot be read ${token === undefined ? "without a token" : "with this token"}. If it is gated, accept its conditions at ${endpoint}/${repository} and set HF_TOKEN to a token of that account (${tokenPage})`;
    return new RerankError("hub_forbidden", message);
  }
  if (status === 401) {
    const why =
      token === undefined ? "HF_TOKEN is not set, and" : "the token (HF_TOKEN, or the file token in HF_HOME) is not valid, or";
    const message = `${from}: ${why} ${repository} does not exist or is private. Check MODEL_ID, and set HF_TOKEN (${tokenPage})`;
    return new RerankError("hub_unauthorized", message);
  }
  if (code === "RevisionNotFound") {
    return new RerankError("hub_not_found", `${from}: ${repository} has no revision ${revision}; check MODEL_REVISION`);
  }
  if (
    (status === 404 || status === 405 || status === 501) &&
    code === "" &&
    new URL(asked.url).pathname.includes("/paths-info/")
  ) {
    const message = `${from}: ${endpoint} lacks the route paths-info, which gives the sizes and checksums that every file is compared with. Set HF_ENDPOINT to a mirror with the whole API, or fetch the files by hand and set MODEL_PATH`;
    return new RerankError("hub_unavailable", message);
  }
  if (status === 404) return new RerankError("hub_not_found", `${from}: no ${asked.url}; check MODEL_ID and HF_ENDPOINT`);
  if (status === 429) {
    const afterMs = retryAfterMs(response.headers);
    const when = afterMs === undefined ? "later" : `in ${Math.ceil(afterMs / 1000)} s`;
    const advice = `too many requests; try again ${when}${token === undefined ? ", or set HF_TOKEN, which raises the limit" : ""}`;
    return passing(new RerankError("hub_unavailable", `${from}: ${advice}`), afterMs);
  }
  if (status === 408 || status >= 500) {
    const error = new RerankError("hub_unavailable", `${from}: the hub fails at the moment; try again later`);
    return passing(error, retryAfterMs(response.headers));
  }
  return new RerankError("hub_unavailable", `${from} to ${asked.url}: expected status 200`);
}

function passing(error: RerankError, afterMs: number | undefined): Passing {
  return new Passing(error, afterMs === undefined ? {} : { afterMs });
}

/** Tried only twice: without a network, further tries rarely help. A cut connection, in contrast, may be back at once. */
const rarelyPasses = new Set(["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ENETUNREACH", "EHOSTUNREACH"]);

/** The error for a request that got no answer, or only a part of one. */
export function networkFailure(error: unknown, url: string): Error {
  const cause = deepest(error);
  const code = codeOf(cause) ?? codeOf(error);
  const { host } = new URL(url);
  if (cause instanceof WrongAnswer) return notTheHub(host, cause.message);
  const reason = printable(`${code ? `${code}: ` : ""}${cause instanceof Error ? cause.message : String(cause)}`);
  const message = `${host} could not be reached, or the connection broke (${reason})`;
  // Circular redirects and redirects to invalid addresses come without a code. They are not the network's fault.
  if (code === undefined && /redirect|location|URL scheme/i.test(reason)) {
    return new RerankError("hub_unavailable", `${host} redirects to nowhere (${reason}); check HF_ENDPOINT`, { cause: error });
  }
  // A retry does not mend a certificate.
  if (code !== undefined && /CERT|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)/.test(code)) {
    const advice = "if a proxy re-signs its traffic, set NODE_EXTRA_CA_CERTS to the certificate of the proxy's authority";
    return new RerankError("hub_unreachable", `${message}; ${advice}`, { cause: error });
  }
  const failure = new RerankError("hub_unreachable", message, { cause: error });
  return new Passing(failure, code !== undefined && rarelyPasses.has(code) ? { attempts: 2 } : {});
}

function deepest(error: unknown): unknown {
  if (error instanceof AggregateError && error.errors.length > 0) return deepest(error.errors[0]);
  return error instanceof Error && error.cause !== undefined ? deepest(error.cause) : error;
}

/** The error for an answer that no hub would give. */
export function notTheHub(host: string, what: string): RerankError {
  const advice = "a login page, a proxy or a mirror of another kind? Check HF_ENDPOINT";
  return new RerankError("hub_unavailable", `${host} answered with ${what}: ${advice}`);
}

const maximumRefusalBytes = 64 * 1024;
const refusalMs = 10_000;

/** The hub's own message, in one line; empty = it sent none. */
async function saidBy(response: Response): Promise<string> {
  const header = response.headers.get("x-error-message");
  const text = await readBounded(response, maximumRefusalBytes, refusalMs).catch(() => "");
  return printable(header ?? jsonError(text) ?? "");
}

function jsonError(text: string): string | undefined {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null && "error" in body && typeof body.error === "string"
      ? body.error
      : undefined;
  } catch {
    return undefined;
  }
}
