/** What the service and a decoder process say to one another. */

import type { ErrorCode } from "../errors.js";

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

/** What can be wrong with an image that a decoder has. */
export const decoderCodes = ["image_invalid", "image_too_large"] as const satisfies readonly ErrorCode[];

export type DecodeAnswer =
  | { readonly kind: "image"; readonly image: LoadedImage }
  | { readonly kind: "refused"; readonly code: (typeof decoderCodes)[number]; readonly message: string };

/** First one of the first two, then an answer to each request. */
export type DecoderMessage = { readonly kind: "ready" } | { readonly kind: "no decoder"; readonly reason: string } | DecodeAnswer;
