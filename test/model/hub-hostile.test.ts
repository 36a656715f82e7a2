/**
 * Answers of a malicious hub. For each: nothing outside the cache changes, and the fetch ends with one error of one line. A fetch
 * that never ended would run into the test's time-out.
 */

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import type { ErrorCode } from "../../src/errors.js";
import { type HubTest, headFile, hubTest, modelFile, modelSize } from "../support/hub.js";
import type { Fault, HubRequest } from "../support/hub-double.js";

const token = "hf_secretOfTheUser";
const hash = "a".repeat(64);
/** Path from the folder of blobs to a file beside the cache. */
const outside = "../../../outside/precious.gguf";

type FaultOf = (it: HubTest, request: HubRequest) => Fault | undefined;
/** Name of the attack, the hub's answers, and the error that it must end with. */
type Attack = readonly [name: string, fault: FaultOf, code: ErrorCode, message: RegExp];

/** Answers an API route in place of the hub. */
function on(route: "revision" | "paths-info", respond: (it: HubTest) => (response: ServerResponse) => void | Promise<void>) {
  return (it: HubTest, { path }: HubRequest): Fault | undefined =>
    path.includes(`/${route}/`) ? { respond: respond(it) } : undefined;
}

function onContent(respond: (it: HubTest) => (response: ServerResponse) => void | Promise<void>) {
  return (it: HubTest, { host, path }: HubRequest): Fault | undefined =>
    host === "storage" && path.includes(it.model.sha256) ? { respond: respond(it) } : undefined;
}

function json(body: unknown) {
  return (response: ServerResponse): void => {
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(body));
  };
}

function revisionWith(change: Record<string, unknown>) {
  return on("revision", (it) => json({ sha: it.hub.commit, siblings: siblings(modelFile, headFile), ...change }));
}

function siblings(...names: readonly string[]) {
  return names.map((rfilename) => ({ rfilename }));
}

/** Changes the GGUF's entry and keeps the head's. */
function infoWith(change: Record<string, unknown>) {
  const oid = "b".repeat(40);
  const entry = (path: string, sha256: string, size: number) => ({ type: "file", path, size, oid, lfs: { oid: sha256, size } });
  return on("paths-info", (it) =>
    json([{ ...entry(modelFile, it.model.sha256, modelSize), ...change }, entry(headFile, it.head.sha256, it.head.size)]),
  );
}

async function endless(response: ServerResponse, head: string, piece: string): Promise<void> {
  const closed = new Promise((resolve) => response.once("close", resolve));
  response.write(head);
  while (!response.destroyed) await Promise.race([new Promise((resolve) => response.write(piece, resolve)), closed]);
}

const page = "<!DOCTYPE html>\n<html><body>Please log in</body></html>";

const attacks: readonly Attack[] = [
  ["a commit that is a path", revisionWith({ sha: "../../../../outside" }), "hub_unavailable", /sha/],
  ["a commit that is an absolute path", revisionWith({ sha: "/outside" }), "hub_unavailable", /sha/],
  ["no commit", revisionWith({ sha: undefined }), "hub_unavailable", /sha/],
  ["null for an answer", on("revision", () => json(null)), "hub_unavailable", /JSON of another shape/],
  ["files that are no list", revisionWith({ siblings: { length: 1e9 } }), "hub_unavailable", /siblings/],
  ["names of 100 KB", revisionWith({ siblings: siblings("x".repeat(1e5)) }), "hub_unavailable", /siblings.0.rfilename/],
  [
    "names that steer a terminal",
    (it, request) =>
      revisionWith({ siblings: siblings("\u001b[2J\u202ex.gguf") })(it, request) ?? on("paths-info", () => json([]))(it, request),
    "hub_not_found",
    /it has \[2J x\.gguf/,
  ],
  ["an lfs.oid that is a path", infoWith({ lfs: { oid: outside, size: 100 } }), "hub_unavailable", /0\.lfs\.oid/],
  ["an lfs.oid that is an absolute path", infoWith({ lfs: { oid: `/${hash}`, size: 100 } }), "hub_unavailable", /0\.lfs\.oid/],
  ["an lfs.oid with NUL", infoWith({ lfs: { oid: `${hash}\0`, size: 100 } }), "hub_unavailable", /0\.lfs\.oid/],
  ["an lfs.oid that is cut", infoWith({ lfs: { oid: hash.slice(1), size: 100 } }), "hub_unavailable", /0\.lfs\.oid/],
  ["an oid that is a path", infoWith({ lfs: undefined, oid: outside }), "hub_unavailable", /0\.oid/],
  ["no checksum at all", infoWith({ lfs: undefined, oid: undefined }), "hub_unavailable", /no checksum/],
  ["a path of somewhere else", infoWith({ path: `../${modelFile}` }), "hub_not_found", /has no jina-reranker-m0-Q4_K_M\.gguf/],
  ["a size below zero", infoWith({ lfs: { oid: hash, size: -1 } }), "hub_unavailable", /0\.lfs\.size/],
  ["a size that is text", infoWith({ lfs: { oid: hash, size: "100" } }), "hub_unavailable", /0\.lfs\.size/],
  ["a size that no number holds", infoWith({ lfs: { oid: hash, size: 1e300 } }), "hub_unavailable", /0\.lfs\.size/],
  [
    "an API answer that never ends",
    on("revision", () => (response) => endless(response, '{"sha":"', "x".repeat(65_536))),
    "hub_unavailable",
    /more than 16777216 bytes/,
  ],
  [
    "an API answer that unpacks to a gigabyte",
    on("revision", () => (response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(gzipSync(Buffer.alloc(2 ** 28, " ")));
    }),
    "hub_unavailable",
    /more than 16777216 bytes/,
  ],
  [
    "JSON nested a million deep",
    on("revision", () => (response) => void response.end("[".repeat(1e6) + "]".repeat(1e6))),
    "hub_unavailable",
    /JSON of another shape|not JSON/,
  ],
  [
    "a refusal that never ends",
    on("revision", () => (response) => endless(response.writeHead(403), "no", "no".repeat(32_768))),
    "hub_forbidden",
    /answered 403/,
  ],
  [
    "a refusal that repeats the token and steers a terminal",
    on("revision", () => (response) => {
      response.writeHead(403, { "content-type": "application/json" });
      response.end(JSON.stringify({ error: `\u001b]0;title\u0007 ${token}` }));
    }),
    "hub_forbidden",
    /answered 403 \(\]0;title …\)/,
  ],
  [
    "redirects in a circle, of the API",
    on("revision", () => (response) => void response.writeHead(302, { location: "?again" }).end()),
    "hub_unavailable",
    /redirects to nowhere/,
  ],
  [
    "redirects in a circle, of content",
    onContent((it) => (response) => void response.writeHead(302, { location: `/${it.model.sha256}?again` }).end()),
    "hub_unavailable",
    /redirects to nowhere/,
  ],
  [
    "a redirect to a file of this machine",
    onContent((it) => (response) => void response.writeHead(302, { location: `file://${it.root}/outside/precious.gguf` }).end()),
    "hub_unavailable",
    /redirects to nowhere/,
  ],
  [
    "a web page for an API answer",
    on("revision", () => (response) => void response.end(page)),
    "hub_unavailable",
    /web page \(HTML\) where JSON/,
  ],
  [
    "a web page for content",
    onContent(() => (response) => void response.write(page, () => response.end())),
    "hub_unavailable",
    /web page \(HTML\) in place of/,
  ],
  [
    "content that never ends, without a length",
    onContent(() => (response) => endless(response, "GGUF", "x".repeat(65_536))),
    "checksum_mismatch",
    new RegExp(`sends more than the ${modelSize} bytes`),
  ],
  [
    "a short answer without a length, ever again",
    onContent(() => (response) => void response.write("GGUF", () => response.end())),
    "hub_unreachable",
    /closed the connection after 4 of the 3000000 bytes of/,
  ],
  [
    "one byte a try, ever again",
    onContent(() => (response) => {
      const start = Number(/\d+/.exec(response.req.headers.range ?? "0")?.[0]);
      response.writeHead(
        start > 0 ? 206 : 200,
        start > 0 ? { "content-range": `bytes ${start}-${modelSize - 1}/${modelSize}` } : {},
      );
      response.write("G", () => response.destroy());
    }),
    "hub_unreachable",
    /the connection broke/,
  ],
  [
    "another part than was asked for",
    onContent(() => (response) => {
      response.writeHead(206, { "content-range": `bytes 5-9/${modelSize}` }).end("12345");
    }),
    "checksum_mismatch",
    /sends bytes 5-9/,
  ],
];

/** Every file beside the cache and the program's own folder: its path and its content. */
async function surroundings({ root }: HubTest): Promise<string[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => !path.startsWith(join(root, "hub", "models--someone--")) && !path.startsWith(join(root, "xdg")))
    .filter((path) => !path.startsWith(join(root, "hub", ".locks", "models--someone--")))
    .filter((path) => path !== join(root, "hub") && path !== join(root, "hub", ".locks"));
  const described = files.map(async (path) => {
    const content = await readFile(path).catch(() => "a folder");
    return `${path} ${createHash("sha256").update(content).digest("hex")}`;
  });
  return (await Promise.all(described)).sort();
}

test.each(attacks)("%s: one error, nothing outside the cache changes", async (_, fault, code, message) => {
  await using it = await hubTest();
  await mkdir(join(it.root, "outside"), { recursive: true });
  await writeFile(join(it.root, "outside", "precious.gguf"), "not to be touched");
  const before = await surroundings(it);
  it.hub.fault = (request) => fault(it, request);
  const error = await it.failure({ authorization: `Bearer ${token}` });
  expect(await surroundings(it)).toEqual(before);
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
  expect(error.message).not.toContain(token);
  expect(error.message).not.toMatch(/\p{C}/u);
  expect(error.message.length).toBeLessThan(1000);
  // Three tries, and no more than twenty hops of a redirect.
  expect(it.hub.requests.length).toBeLessThan(40);
  it.hub.cutConnections();
});
