/**
 * A double of the hub on two ports: one has the routes and headers of huggingface.co, the other is the storage host that
 * `resolve` redirects to. It records each request and the bytes of content that it sent, and can be given faults.
 */

import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Readable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";

export interface HubRequest {
  readonly host: "hub" | "storage";
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  /** Bytes of content that were sent; answers of the API do not count. */
  bytes: number;
}

/** A deviation from the hub's behaviour. */
export type Fault =
  /** Writes the answer itself. */
  | { readonly respond: (response: ServerResponse) => void | Promise<void> }
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly message?: string }
  /** For content: after this many bytes the connection is cut, or stays open without another byte. */
  | { readonly cutAfter: number }
  | { readonly stallAfter: number }
  /** For content: the first byte is wrong, or this many bytes are missing at the end. */
  | { readonly corrupt: true }
  | { readonly shortBy: number }
  /** For content: pause between pieces of 64 KiB. */
  | { readonly pauseMs: number }
  /** For content: the storage host ignores range requests. */
  | { readonly ignoreRange: true };

export interface HubFile {
  readonly size: number;
  readonly sha256: string;
  /** Size and checksum that the hub announces, where they are not the real ones. */
  readonly announcedSha256?: string;
  readonly announcedSize?: number;
  /** The file is kept in git, as small files are: named by its git hash and sent without a redirect. */
  readonly gitHash?: string;
  read(start: number, end: number): Readable;
}

export interface HubDouble extends AsyncDisposable {
  readonly url: string;
  readonly storageUrl: string;
  readonly commit: string;
  readonly requests: HubRequest[];
  /** Called for each request; undefined = no fault. */
  fault: (request: HubRequest) => Fault | undefined;
  put(repository: string, path: string, file: HubFile): void;
  /** Makes a new commit with the same files. */
  push(): void;
  /** Breaks all open connections. */
  cutConnections(): void;
  /** Bytes of content sent so far. */
  contentBytes(): number;
}

export function bytesFile(bytes: Uint8Array, announced: Partial<HubFile> = {}): HubFile {
  return {
    size: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    read: (start, end) => Readable.from(chunks(bytes.subarray(start, end))),
    ...announced,
  };
}

export function gitFile(bytes: Uint8Array): HubFile {
  const gitHash = createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
  return bytesFile(bytes, { gitHash });
}

export async function diskFile(path: string): Promise<HubFile> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  const { size } = await stat(path);
  const read = (start: number, end: number) =>
    end > start ? createReadStream(path, { start, end: end - 1 }) : Readable.from([]);
  return { size, sha256: hash.digest("hex"), read };
}

function* chunks(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

export async function startHub(): Promise<HubDouble> {
  const repositories = new Map<string, Map<string, HubFile>>();
  const byHash = new Map<string, HubFile>();
  const requests: HubRequest[] = [];
  const commits = [randomBytes(20).toString("hex")];
  const hubServer = createServer((request, response) => void answer("hub", request, response));
  const storageServer = createServer((request, response) => void answer("storage", request, response));
  const url = await listening(hubServer);
  const storageUrl = await listening(storageServer);

  const answer = async (host: HubRequest["host"], request: IncomingMessage, response: ServerResponse) => {
    const path = decodeURIComponent(request.url ?? "/");
    const record: HubRequest = { host, method: request.method ?? "GET", path, headers: request.headers, bytes: 0 };
    requests.push(record);
    const fault = double.fault(record);
    if (fault && "respond" in fault) {
      await fault.respond(response);
      return;
    }
    if (fault && "status" in fault) {
      response.writeHead(fault.status, { "content-type": "application/json", ...fault.headers });
      response.end(JSON.stringify({ error: fault.message ?? `status ${fault.status}` }));
      return;
    }
    if (host === "storage") {
      const file = byHash.get(path.slice(1, 65));
      return file ? send(response, record, file, fault) : error(response, 404, "EntryNotFound", "no such object");
    }
    const [, name = "", route = "", revision = "", file = ""] =
      /^\/(?:api\/models\/)?([^/]+\/[^/]+)\/(revision|tree|paths-info|resolve)\/([^/?]+)\/?([^?]*)/.exec(path) ?? [];
    const files = repositories.get(name);
    if (!files) return error(response, 401, "RepoNotFound", "Invalid username or password.");
    const known = [...commits, "main", "HEAD", "v1"];
    if (!known.includes(revision)) return error(response, 404, "RevisionNotFound", `Invalid rev id: ${revision}`);
    const commit = commits.includes(revision) ? revision : (commits.at(-1) ?? "");
    switch (route) {
      case "revision":
        return json(response, {
          ...{ _id: "1", id: name, sha: commit, private: false, gated: false, downloads: 1, likes: 1 },
          ...{ lastModified: "2026-01-01T00:00:00.000Z", siblings: [...files.keys()].map((rfilename) => ({ rfilename })) },
        });
      case "tree":
        return json(
          response,
          [...files].map(([name, file]) => pathInfo(name, file, commit)),
        );
      case "paths-info": {
        const body: { paths: string[] } = JSON.parse(Buffer.concat(await request.toArray()).toString());
        return json(
          response,
          body.paths.flatMap((name) => {
            const file = files.get(name);
            return file ? [pathInfo(name, file, commit)] : [];
          }),
        );
      }
      case "resolve": {
        const found = files.get(file);
        if (!found) return error(response, 404, "EntryNotFound", "Entry not found");
        response.setHeader("x-repo-commit", commit);
        if (found.gitHash !== undefined) return send(response, record, found, fault);
        response.writeHead(302, {
          ...{ etag: `"${found.sha256}"`, "x-linked-etag": `"${announcedHash(found)}"`, "x-linked-size": String(found.size) },
          location: `${storageUrl}/${found.sha256}?signature=${randomBytes(8).toString("hex")}`,
        });
        response.end("Found. Redirecting");
        return;
      }
      default:
        return error(response, 404, "NotFound", `no route ${path}`);
    }
  };

  const double: HubDouble = {
    ...{ url, storageUrl, requests, fault: () => undefined },
    get commit() {
      return commits.at(-1) ?? "";
    },
    put(repository, path, file) {
      const files = repositories.get(repository) ?? new Map<string, HubFile>();
      repositories.set(repository, files.set(path, file));
      byHash.set(file.sha256, file);
    },
    push: () => void commits.push(randomBytes(20).toString("hex")),
    cutConnections: () => {
      for (const server of [hubServer, storageServer]) server.closeAllConnections();
    },
    contentBytes: () => requests.reduce((sum, { bytes }) => sum + bytes, 0),
    async [Symbol.asyncDispose]() {
      for (const server of [hubServer, storageServer]) {
        server.closeAllConnections();
        server.close();
        await once(server, "close");
      }
    },
  };
  return double;
}

function pathInfo(path: string, file: HubFile, commit: string) {
  const lastCommit = { id: commit, title: "upload", date: "2026-01-01T00:00:00.000Z" };
  const size = file.announcedSize ?? file.size;
  const oid = file.gitHash ?? createHash("sha1").update(file.sha256).digest("hex");
  const lfs = file.gitHash === undefined && { lfs: { oid: announcedHash(file), size, pointerSize: 135 } };
  return { type: "file", path, size, oid, ...lfs, lastCommit };
}

function announcedHash(file: HubFile): string {
  return file.announcedSha256 ?? file.sha256;
}

async function send(response: ServerResponse, record: HubRequest, file: HubFile, fault: Fault | undefined): Promise<void> {
  const range = fault && "ignoreRange" in fault ? undefined : /^bytes=(\d+)-(\d*)$/.exec(record.headers.range ?? "");
  const size = file.size - (fault && "shortBy" in fault ? fault.shortBy : 0);
  const start = range ? Number(range[1]) : 0;
  const end = range?.[2] ? Math.min(Number(range[2]) + 1, size) : size;
  if (start >= size) {
    response.writeHead(416, { "content-range": `bytes */${size}` }).end();
    return;
  }
  const etag = `"${file.gitHash ?? file.sha256}"`;
  const headers = { etag, "accept-ranges": "bytes", "content-length": end - start, "content-type": "binary/octet-stream" };
  if (range) response.writeHead(206, { ...headers, "content-range": `bytes ${start}-${end - 1}/${size}` });
  else response.writeHead(200, headers);
  if (record.method === "HEAD") {
    response.end();
    return;
  }
  const limit = fault && "cutAfter" in fault ? fault.cutAfter : fault && "stallAfter" in fault ? fault.stallAfter : end - start;
  for await (const chunk of file.read(start, Math.min(end, start + limit))) {
    const bytes = Buffer.from(chunk);
    if (fault && "corrupt" in fault && record.bytes === 0) bytes[0] = (bytes[0] ?? 0) ^ 0xff;
    record.bytes += bytes.length;
    if (response.destroyed) return;
    if (fault && "pauseMs" in fault) await delay(fault.pauseMs);
    // Wait until the bytes are written, so that only sent bytes are counted.
    await new Promise((resolve) => response.write(bytes, resolve));
  }
  if (fault && "cutAfter" in fault) response.destroy();
  else if (!(fault && "stallAfter" in fault)) response.end();
}

function json(response: ServerResponse, body: unknown): void {
  response.writeHead(200, { "content-type": "application/json; charset=utf-8" }).end(JSON.stringify(body));
}

function error(response: ServerResponse, status: number, code: string, message: string): void {
  response.writeHead(status, { "content-type": "application/json", "x-error-code": code, "x-error-message": message });
  response.end(JSON.stringify({ error: message }));
}

async function listening(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the double has no port");
  return `http://127.0.0.1:${address.port}`;
}
