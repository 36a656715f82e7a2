/**
 * A host of a stranger. `dial` records the address that would be connected to, and connects to a server on this machine, which
 * counts connections: what is refused must be refused before the first.
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buildConnector } from "undici";
import { afterEach, beforeEach, expect, test } from "vitest";
import { allowedUrl, fetchImage, type Network } from "../../src/images/fetch-image.js";
import { event, until } from "../support/until.js";

const picture = Buffer.from("a picture of 21 bytes");
const limits = { hosts: ["*"], maxBytes: 1000, timeoutMs: 60_000 } as const;

let server: Server;
let connections: number;
let requests: IncomingMessage[];
let answer: (response: ServerResponse, path: string | undefined) => void;
let dialled: buildConnector.Options[];
let asked: string[];

beforeEach(async () => {
  [connections, requests, dialled, asked] = [0, [], [], []];
  answer = (response) => response.end(picture);
  server = createServer((request, response) => {
    requests.push(request);
    answer(response, request.url);
  });
  server.on("connection", () => {
    connections += 1;
  });
  server.listen(0, "127.0.0.1");
  await event(server, "listening", "the server");
});
afterEach(() => server.close());

/** Resolves every name to the next list of `answers`, and to the last one from then on. */
function network(...answers: (readonly string[])[]): Network {
  const toServer = buildConnector({});
  return {
    resolve: async (host) => {
      asked.push(host);
      return answers[Math.min(asked.length, answers.length) - 1] ?? [];
    },
    dial: (options, callback) => {
      dialled.push(options);
      const { port } = server.address() as AddressInfo;
      // The server speaks no TLS.
      toServer({ ...options, protocol: "http:", host: "127.0.0.1", hostname: "127.0.0.1", port: String(port) }, callback);
    },
  };
}

const load = (url: string, its = network(["93.184.216.34"]), more = {}) =>
  fetchImage(url, { ...limits, ...more }, undefined, its);

test("an image of a public host is fetched, without cookies and credentials, and whatever its type", async () => {
  answer = (response) => response.writeHead(200, { "content-type": "text/html", "set-cookie": "a=b" }).end(picture);
  expect(await load("http://Pictures.example./a.png?b=c#d")).toEqual(picture);
  expect(asked).toEqual(["pictures.example"]);
  expect(dialled).toMatchObject([{ hostname: "93.184.216.34", servername: "pictures.example" }]);
  const [{ url, headers } = { url: "", headers: {} }] = requests;
  expect(url).toBe("/a.png?b=c");
  expect(Object.keys(headers).sort()).toEqual(["accept", "accept-encoding", "connection", "host", "user-agent"]);
  expect(headers.host).toMatch(/^pictures\.example\.?$/);
});

test("of https the certificate is that of the name, and the connection goes to the address", async () => {
  expect(await load("https://pictures.example/", network(["2606:4700::1"]))).toEqual(picture);
  expect(dialled).toMatchObject([{ protocol: "https:", hostname: "2606:4700::1", servername: "pictures.example" }]);
});

test("a name that resolves to a private address the second time is connected to the first one only", async () => {
  const rebinding = network(["93.184.216.34"], ["127.0.0.1"]);
  expect(await load("http://rebinding.example/", rebinding)).toEqual(picture);
  expect(asked).toHaveLength(1);
  expect(dialled.map(({ hostname }) => hostname)).toEqual(["93.184.216.34"]);
  await expect(load("http://rebinding.example/", rebinding)).rejects.toMatchObject({ code: "image_url_not_allowed" });
  expect(connections).toBe(1);
});

test.each([
  ["a name of this machine", "http://localhost/", ["127.0.0.1", "::1"]],
  ["a name of the own network", "http://db.internal/", ["10.0.0.7"]],
  ["the cloud's metadata", "http://metadata.example/", ["169.254.169.254"]],
  ["a name with a public and a private address", "http://two.example/", ["93.184.216.34", "192.168.0.1"]],
  ["a name of an IPv4 address in IPv6", "http://mapped.example/", ["::ffff:10.0.0.1"]],
  ["a name of a translated address", "http://nat.example/", ["64:ff9b::7f00:1"]],
  ["a name without addresses", "http://nothing.example/", []],
  ["an address", "http://127.0.0.1/", undefined],
  ["a decimal address", "http://2130706433/", undefined],
  ["an octal address", "http://0177.0.0.1/", undefined],
  ["a hexadecimal address", "http://0x7f.1/", undefined],
  ["an address in full-width digits", "http://１２７.0.0.1/", undefined],
  ["an IPv6 address", "http://[::1]/", undefined],
  ["an IPv4 address in IPv6", "http://[::ffff:127.0.0.1]/", undefined],
  ["a unique local address", "http://[fd00::1]/", undefined],
])("%s is refused before anything is sent", async (_what, url, addresses) => {
  const refused = load(url, network(addresses ?? ["93.184.216.34"]));
  await expect(refused).rejects.toMatchObject({
    code: "image_url_not_allowed",
    message: expect.stringMatching(/^expected a host with public addresses only, got /),
  });
  expect(asked).toHaveLength(addresses ? 1 : 0);
  expect([dialled, connections]).toEqual([[], 0]);
});

test("this machine's own resolver is asked, and its answer checked", async () => {
  await expect(fetchImage("http://localhost/", limits)).rejects.toMatchObject({
    code: "image_url_not_allowed",
    message: "expected a host with public addresses only, got localhost",
  });
});

test.each([301, 302, 303, 307, 308])("a redirect (%i) to a private address is not followed", async (status) => {
  answer = (response) => response.writeHead(status, { location: "http://127.0.0.1/secret" }).end();
  await expect(load("http://pictures.example/")).rejects.toMatchObject({
    code: "image_unreachable",
    message: `expected status 200 of pictures.example, got ${status}, a redirect, which is not followed`,
  });
  expect([connections, requests.length, asked.length]).toEqual([1, 1, 1]);
});

test.each([
  ["ftp://pictures.example/", "expected an http or https URL, got another"],
  ["http://", "expected an http or https URL, got another"],
  ["http://user@pictures.example/", "expected a URL without user and password, got one with them"],
  ["http://:secret@pictures.example/", "expected a URL without user and password, got one with them"],
  ["http://pictures.example:22/", "expected a URL with port 80 or 443, got 22"],
  ["http://pictures.example:8080/", "expected a URL with port 80 or 443, got 8080"],
])("%s is refused", async (url, message) => {
  await expect(load(url)).rejects.toMatchObject({ code: "image_url_not_allowed", message });
  expect([asked, dialled]).toEqual([[], []]);
});

test("only hosts of the list are allowed, in any letter case and with a dot at the end, but not what is below them", () => {
  const hosts = ["Pictures.example", "93.184.216.34"];
  for (const url of ["http://pictures.EXAMPLE/a", "https://pictures.example.:443/", "http://93.184.216.34/"]) {
    expect(allowedUrl(url, hosts).href).toMatch(/^https?:/);
  }
  for (const url of ["http://other.example/", "http://a.pictures.example/", "http://pictures.example.evil.example/"]) {
    expect(() => allowedUrl(url, hosts)).toThrow(/expected a data: URI, base64, or a URL of a host in IMAGE_URLS/);
  }
  expect(() => allowedUrl("http://pictures.example/", [])).toThrow("got a URL of pictures.example");
});

test.each([
  [
    "*.pictures.example",
    ["a.pictures.example", "A.b.Pictures.example"],
    ["pictures.example", "badpictures.example", "93.184.216.34"],
  ],
  ["*", ["pictures.example", "93.184.216.34"], []],
])("%s allows %j and not %j", (pattern, allowed, others) => {
  for (const host of allowed) expect(allowedUrl(`http://${host}/`, [pattern]).hostname).toBe(host.toLowerCase());
  for (const host of others) expect(() => allowedUrl(`http://${host}/`, [pattern])).toThrow(`got a URL of ${host}`);
});

test("a host of the list is refused, too, when its address is private", async () => {
  const refused = load("http://pictures.example/", network(["10.0.0.1"]), { hosts: ["pictures.example"] });
  await expect(refused).rejects.toMatchObject({ code: "image_url_not_allowed" });
  expect(connections).toBe(0);
});

test("another address is tried when one does not answer", async () => {
  const its = network(["93.184.216.34", "93.184.216.35"]);
  const broken: Network = {
    ...its,
    dial: (options, callback) => {
      if (options.hostname.endsWith("34")) callback(new Error("refused"), null);
      else its.dial(options, callback);
    },
  };
  expect(await load("http://pictures.example/", broken)).toEqual(picture);
  expect(dialled.map(({ hostname }) => hostname)).toEqual(["93.184.216.35"]);
});

test("more bytes than allowed are not read, announced or not", async () => {
  answer = (response) => response.end(Buffer.alloc(1000));
  expect(await load("http://pictures.example/")).toHaveLength(1000);
  answer = (response) => response.end(Buffer.alloc(1001));
  await expect(load("http://pictures.example/")).rejects.toMatchObject({ code: "image_too_large" });
  let closed = false;
  answer = (response) => {
    // Endless.
    const more = () => {
      while (response.write(Buffer.alloc(65_536)));
    };
    response.on("drain", more).on("close", () => {
      closed = true;
    });
    more();
  };
  await expect(load("http://pictures.example/")).rejects.toMatchObject({ code: "image_too_large" });
  await until(() => closed);
});

test("a status, a broken connection and silence are told without the host's text", async () => {
  const reasons: string[] = [];
  const failing = async (url: string, its: Network, more = {}) => {
    const error = await load(url, its, more).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "image_unreachable" });
    reasons.push(error instanceof Error ? error.message : "");
  };
  answer = (response) => response.writeHead(404).end("secret");
  await failing("http://pictures.example/", network(["93.184.216.34"]));
  answer = (response) => response.destroy();
  await failing("http://pictures.example/", network(["93.184.216.34"]));
  answer = () => {};
  await failing("http://pictures.example/", network(["93.184.216.34"]), { timeoutMs: 20 });
  answer = (response) => response.write("a");
  await failing("http://pictures.example/", network(["93.184.216.34"]), { timeoutMs: 20 });
  // Neither a resolver nor a host that answers.
  await failing("http://pictures.example/", { ...network(), resolve: () => new Promise(() => {}) }, { timeoutMs: 20 });
  await failing("http://pictures.example/", { ...network(["93.184.216.34"]), dial: () => {} }, { timeoutMs: 20 });
  expect(reasons).toEqual([
    "expected status 200 of pictures.example, got 404",
    "expected an image from pictures.example: UND_ERR_SOCKET",
    ...Array.from({ length: 4 }, () => "expected an image from pictures.example: no answer within 0.02 s"),
  ]);
});

test("a signal ends a fetch with its reason, and the connection", async () => {
  const leaver = new AbortController();
  let closed = false;
  answer = (response) => {
    response.on("close", () => {
      closed = true;
    });
    leaver.abort(new Error("left"));
  };
  const fetched = fetchImage("http://pictures.example/", limits, leaver.signal, network(["93.184.216.34"]));
  await expect(fetched).rejects.toThrow("left");
  await until(() => closed);
});
