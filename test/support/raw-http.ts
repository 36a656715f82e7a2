/** Sends bytes that no HTTP client would send, and reads the answer. */

import { connect } from "node:net";
import { event } from "./until.js";

export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  json(): unknown;
}

/** Writes the pieces, then reads until the server closes the connection. The request should ask for that. */
export async function exchange(port: number, ...pieces: readonly (string | Buffer)[]): Promise<RawAnswer> {
  const socket = connect(port, "127.0.0.1");
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  // The server may close before everything is written.
  socket.on("error", () => {});
  for (const piece of pieces) socket.write(piece);
  await event(socket, "close", "the connection");
  return parse(Buffer.concat(chunks).toString("utf8"));
}

function parse(text: string): RawAnswer {
  const end = text.indexOf("\r\n\r\n");
  const [status = "", ...fields] = text.slice(0, end).split("\r\n");
  const headers = new Headers(
    fields.map((line): [string, string] => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1)]),
  );
  return { status: Number(status.split(" ")[1]), headers, json: () => JSON.parse(text.slice(end + 4)) };
}

/** The head of a POST; a body or chunks follow it. */
export function postHead(path: string, headers: Readonly<Record<string, string | number>>): string {
  const all = { Host: "test", Connection: "close", "Content-Type": "application/json", ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return [`POST ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n");
}

export function chunked(...bodies: readonly (string | Buffer)[]): Buffer {
  const parts = bodies.flatMap((body) => [`${Buffer.byteLength(body).toString(16)}\r\n`, body, "\r\n"]);
  return Buffer.concat([...parts, "0\r\n\r\n"].map((part) => Buffer.from(part)));
}
