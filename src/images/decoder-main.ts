/**
 * The process that decodes and resizes images, one after the other, started by decoder-process.ts. It has the bytes of strangers
 * and nothing else: what breaks here breaks one image, and its memory goes with it.
 */

import { createHash } from "node:crypto";
import { RerankError } from "../errors.js";
import { resize } from "./bicubic.js";
import { type Decode, openDecoder } from "./decode.js";
import { type DecodeAnswer, type DecodeRequest, type DecoderMessage, decoderCodes } from "./decoder-protocol.js";
import { targetSize, tokensOf } from "./size.js";

const send = (message: DecoderMessage) => process.send?.(message);

process.on("disconnect", () => process.exit());
// A terminal sends them to the whole group, and the service still answers requests while it drains.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {});

try {
  const decode = await openDecoder();
  process.on("message", async (request: DecodeRequest) => {
    send(await answer(decode, request));
    // 150 MB of pixels weigh nothing on V8's heap, so they would stay until much else is allocated.
    globalThis.gc?.();
  });
  send({ kind: "ready" });
} catch (error) {
  send({ kind: "no decoder", reason: error instanceof Error ? error.message : String(error) });
}

async function answer(decode: Decode, { bytes, maxPixels, maxTokens }: DecodeRequest): Promise<DecodeAnswer> {
  try {
    const decoded = await decode(bytes, maxPixels);
    const { width, height, rgb } = resize(decoded, targetSize(decoded, maxTokens));
    const hash = createHash("sha256").update(`${width}x${height}\n`).update(rgb).digest("hex");
    return { kind: "image", image: { width, height, rgb, tokens: tokensOf({ width, height }), hash } };
  } catch (error) {
    const code = error instanceof RerankError ? decoderCodes.find((known) => known === error.code) : undefined;
    if (!(error instanceof RerankError) || code === undefined) throw error;
    return { kind: "refused", code, message: error.message };
  }
}
