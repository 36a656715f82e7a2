/**
 * Fetches an image from a URL that a client named, so from a stranger's choice of host. The host must be allowed and its addresses
 * public; they are resolved once, and the connection goes to an address that was checked, never to a name. Redirects are
 * refused, and cookies, credentials and proxies are not used.
 */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { Agent, buildConnector, request } from "undici";
import { RerankError } from "../errors.js";
import { packageVersion } from "../files/package-version.js";
import { isPublicAddress } from "./public-address.js";
import { checkBytes } from "./source.js";

export interface FetchLimits {
  /** Names of hosts; "*.a.example" is every name below a.example, "*" every host. */
  readonly hosts: readonly string[];
  readonly maxBytes: number;
  /** For everything, from resolving the name to the last byte. */
  readonly timeoutMs: number;
}

/** The parts of a network that a test replaces. */
export interface Network {
  /** Every address of a host. */
  resolve(host: string): Promise<readonly string[]>;
  /** Connects to `hostname`, which is an address; TLS checks the certificate of `servername`. */
  readonly dial: buildConnector.connector;
}

/** Another address is tried after this. */
const connectMs = 3000;
const maximumAttempts = 4;

const internet: Network = {
  resolve: async (host) => (await lookup(host, { all: true })).map(({ address }) => address),
  dial: buildConnector({ timeout: connectMs }),
};

/** Throws image_url_not_allowed, image_unreachable, image_too_large, or the signal's reason. */
export async function fetchImage(text: string, limits: FetchLimits, signal?: AbortSignal, network = internet): Promise<Buffer> {
  const { maxBytes, timeoutMs } = limits;
  const url = allowedUrl(text, limits.hosts);
  const host = hostOf(url);
  const timeout = AbortSignal.timeout(timeoutMs);
  const ended = signal ? AbortSignal.any([signal, timeout]) : timeout;
  let agent: Agent | undefined;
  try {
    const addresses = isIP(host) ? [host] : await unlessAborted(network.resolve(host), ended);
    if (addresses.length === 0 || !addresses.every(isPublicAddress)) {
      throw new RerankError("image_url_not_allowed", `expected a host with public addresses only, got ${host}`);
    }
    agent = new Agent({ connect: connectorTo(addresses, host, network.dial) });
    const headers = { accept: "image/*", "accept-encoding": "identity", "user-agent": `jina-reranker/${packageVersion}` };
    // undici heeds a signal only once it is connected.
    const answer = await unlessAborted(request(url, { dispatcher: agent, signal: ended, headers }), ended);
    if (answer.statusCode !== 200) {
      const redirect = answer.statusCode >= 300 && answer.statusCode < 400 ? ", a redirect, which is not followed" : "";
      throw new RerankError("image_unreachable", `expected status 200 of ${host}, got ${answer.statusCode}${redirect}`);
    }
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      length += chunk.length;
      checkBytes(length, maxBytes);
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, length);
  } catch (error) {
    if (error instanceof RerankError) throw error;
    signal?.throwIfAborted();
    const reason = timeout.aborted ? `no answer within ${timeoutMs / 1000} s` : codeOf(error);
    throw new RerankError("image_unreachable", `expected an image from ${host}: ${reason}`, { cause: error });
  } finally {
    await agent?.destroy();
  }
}

/** Throws image_url_not_allowed. */
export function allowedUrl(text: string, hosts: readonly string[]): URL {
  const refused = (expected: string) => new RerankError("image_url_not_allowed", `expected ${expected}`);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw refused("an http or https URL, got another");
  if (url.username !== "" || url.password !== "") throw refused("a URL without user and password, got one with them");
  if (!["", "80", "443"].includes(url.port)) throw refused(`a URL with port 80 or 443, got ${url.port}`);
  const host = hostOf(url);
  if (!hosts.some((pattern) => isHost(host, pattern.toLowerCase()))) {
    throw refused(`a data: URI, base64, or a URL of a host in IMAGE_URLS, got a URL of ${host}`);
  }
  return url;
}

function isHost(host: string, pattern: string): boolean {
  if (pattern === "*") return true;
  return pattern.startsWith("*.") ? host.endsWith(pattern.slice(1)) : host === pattern;
}

/** The host as resolvers take it: URL has made it lower case, and a number of any notation an IPv4 address. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[(.*)\]$/, "$1").replace(/\.$/, "");
}

/** Tries the addresses in turn. `dial` gets an address as its host name, so that nothing is resolved again. */
function connectorTo(addresses: readonly string[], host: string, dial: buildConnector.connector): buildConnector.connector {
  return (options, callback) => {
    const attempt = (index: number) => {
      const address = addresses[index] ?? "";
      const servername = isIP(host) ? "" : host;
      dial({ ...options, host: address, hostname: address, servername }, (...outcome) => {
        if (outcome[0] !== null && index + 1 < Math.min(addresses.length, maximumAttempts)) attempt(index + 1);
        else callback(...outcome);
      });
    };
    attempt(0);
  };
}

function unlessAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Never the text of an error: it may hold what the other host sent. */
function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "it failed";
}
