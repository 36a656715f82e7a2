/**
 * Unpacks compressed bodies (gzip, deflate, br) while they arrive. The unpacked bytes count against the body limit, and unpacking
 * ends as soon as they exceed it: a few kilobytes can hold gigabytes.
 */

import { Readable } from "node:stream";
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib";
import type { FastifyInstance, FastifyReply } from "fastify";
import { RerankError } from "../errors.js";

const decoders = { gzip: createGunzip, "x-gzip": createGunzip, deflate: createInflate, br: createBrotliDecompress };
type Encoding = keyof typeof decoders;

export function registerContentEncoding(fastify: FastifyInstance, limitBytes: number): void {
  fastify.addHook("preParsing", async (request, reply, payload: Readable) => {
    const encoding = (request.headers["content-encoding"] ?? "").trim().toLowerCase();
    if (encoding === "" || encoding === "identity") return payload;
    if (!isKnown(encoding)) throw unsupported(encoding, reply);
    return decoded(payload, encoding, limitBytes);
  });
}

function isKnown(encoding: string): encoding is Encoding {
  return Object.hasOwn(decoders, encoding);
}

/** Fastify compares `receivedEncodedLength` with Content-Length. */
function decoded(payload: Readable, encoding: Encoding, limitBytes: number) {
  const decoder = decoders[encoding]();
  decoder.on("error", ignoreError);
  const output = Object.assign(Readable.from(limited(decoder, encoding, limitBytes), { objectMode: false }), {
    receivedEncodedLength: 0,
  }).on("error", ignoreError);
  payload.on("data", (chunk: Buffer) => {
    output.receivedEncodedLength += chunk.length;
  });
  // The reader is told when a request breaks off. Destroying the request would close the connection, which the answer needs.
  payload.once("error", (error) => decoder.destroy(error));
  // The rest of a refused body is read and dropped.
  decoder.once("close", () => {
    payload.unpipe(decoder);
    payload.resume();
  });
  payload.pipe(decoder);
  return output;
}

/** A listener for streams whose reader gets the error, if there still is one. Without any listener an error ends the process. */
export function ignoreError(): void {}

async function* limited(decoder: Readable, encoding: Encoding, limitBytes: number): AsyncGenerator<Buffer> {
  let length = 0;
  try {
    // Leaving the loop destroys the decoder.
    for await (const chunk of decoder) {
      length += chunk.length;
      if (length > limitBytes) throw tooLarge(limitBytes);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof RerankError || !isZlib(error)) throw error;
    const message = `body: expected ${encoding}, as content-encoding says, got bytes that are not`;
    throw new RerankError("invalid_json", message, { cause: error });
  }
}

function isZlib(error: unknown): boolean {
  return error instanceof Error && "code" in error && typeof error.code === "string" && /^(Z_|ERR_)/.test(error.code);
}

function unsupported(encoding: string, reply: FastifyReply): RerankError {
  reply.header("accept-encoding", "gzip, deflate, br");
  const given = /^[\w ,-]{1,40}$/.test(encoding) ? encoding : "something else";
  return new RerankError("unsupported_media_type", `content-encoding: expected gzip, deflate, br or none, got ${given}`);
}

/** The limit holds for the bytes as sent and for the bytes unpacked. */
export function tooLarge(limitBytes: number): RerankError {
  return new RerankError("body_too_large", `body: at most ${limitBytes / 2 ** 20} MiB are allowed`);
}
