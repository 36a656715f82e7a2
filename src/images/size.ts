/**
 * The size at which the model sees an image: smart_resize of Qwen2-VL's image processor in transformers, with its rounding.
 * Both sides become multiples of 28, the pixels that a token covers in each direction.
 */

import { RerankError } from "../errors.js";

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Pixels of a token, along each side. */
export const tokenSide = 28;
const minimumTokens = 4;
/** What jina-reranker-m0 was trained with. */
export const maximumTokens = 768;
const maximumAspect = 200;

/** Throws image_invalid when one side is more than 200 times the other. */
export function targetSize({ width, height }: Size, maxTokens = maximumTokens): Size {
  if (Math.max(width, height) / Math.min(width, height) > maximumAspect) {
    throw new RerankError("image_invalid", `expected sides that differ at most ${maximumAspect} times, got ${width}×${height}`);
  }
  const rounded = { width: roundHalfEven(width / tokenSide) * tokenSide, height: roundHalfEven(height / tokenSide) * tokenSide };
  const pixels = rounded.width * rounded.height;
  const [minimum, maximum] = [minimumTokens * tokenSide ** 2, maxTokens * tokenSide ** 2];
  if (pixels > maximum) {
    const shrink = Math.sqrt((height * width) / maximum);
    // A long strip stays 28 high, so that it may have more than maxTokens where these are fewer than its aspect.
    const side = (length: number) => Math.max(tokenSide, Math.floor(length / shrink / tokenSide) * tokenSide);
    return { width: side(width), height: side(height) };
  }
  if (pixels < minimum) {
    const grow = Math.sqrt(minimum / (height * width));
    const side = (length: number) => Math.ceil((length * grow) / tokenSide) * tokenSide;
    return { width: side(width), height: side(height) };
  }
  return rounded;
}

/** Rows that an image of a target size takes in the prompt. */
export function tokensOf({ width, height }: Size): number {
  return (width / tokenSide) * (height / tokenSide);
}

/** Python's round: a half goes to the even neighbour. */
function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}
