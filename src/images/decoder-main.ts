/**
 * The process that decodes and resizes images, one after the other, started by decoder-process.ts. It has the bytes of strangers
 * and nothing else: what breaks here breaks one image, and its memory goes with it.
 */

import { createHash } from "node:crypto";
import { resize } from "./bicubic.js";
import { openDecoder } from "./decode.js";
import { ImageError, type ImageErrorCode } from "./image-error.js";
import { targetSize, tokensOf } from "./size.js";

export interface PixelLimits {
  /** Pixels of the image as it was sent. */
  readonly maxPixels: number;
  /** Tokens of the image as the model sees it; more only of strips, see size.ts. */
  readonly maxTokens: number;
}

export interface DecodeRequest extends PixelLimits {
  readonly bytes: Uint8Array;
}

/** An image as the model sees it. */
export interface LoadedImage {
  /** Multiples of 28. */
  readonly width: number;
  readonly height: number;
  /** Row-major [height][width][3]. */
  readonly rgb: Uint8Array;
  /** Rows that it takes in the prompt. */
  readonly tokens: number;
  /** SHA-256 of size and pixels: images with the same hash get the same scores. */
  readonly hash: string;
}

export type DecoderMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "no decoder"; readonly reason: string }
  | { readonly kind: "image"; readonly image: LoadedImage }
  | { readonly kind: "refused"; readonly code: ImageErrorCode; readonly message: string };

async function serve(): Promise<void> {
  const send = (message: DecoderMessage) => process.send?.(message);
  let decode: Awaited<ReturnType<typeof openDecoder>>;
  try {
    decode = await openDecoder();
  } catch (error) {
    send({ kind: "no decoder", reason: error instanceof Error ? error.message : String(error) });
    return;
  }
  process.on("message", ({ bytes, maxPixels, maxTokens }: DecodeRequest) => {
    load(bytes, { maxPixels, maxTokens }).then(
      (image) => send({ kind: "image", image }),
      (error: unknown) => {
        if (!(error instanceof ImageError)) throw error;
        send({ kind: "refused", code: error.code, message: error.message });
      },
    );
  });
  send({ kind: "ready" });

  async function load(bytes: Uint8Array, limits: PixelLimits): Promise<LoadedImage> {
    const decoded = await decode(bytes, limits.maxPixels);
    const { width, height, rgb } = resize(decoded, targetSize(decoded, limits.maxTokens));
    const hash = createHash("sha256").update(`${width}x${height}\n`).update(rgb).digest("hex");
    return { width, height, rgb, tokens: tokensOf({ width, height }), hash };
  }
}

process.on("disconnect", () => process.exit());
// A terminal sends them to the whole group, and the service still answers requests while it drains.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {});
await serve();
