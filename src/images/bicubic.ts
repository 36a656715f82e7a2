/**
 * Resizes 8-bit RGB as Pillow's BICUBIC does, byte for byte: the weights of the model saw images that were resized by it. A cubic
 * with a = -0.5, widened when it shrinks; the horizontal pass comes first, and its result is rounded to 8 bits. Equal to Pillow
 * before 12.3; since then Pillow begins with the vertical pass where an image is over 100 times as high as wide.
 */

import type { Size } from "./size.js";

export interface Pixels extends Size {
  /** Row-major [height][width][3]. */
  readonly rgb: Uint8Array;
}

/** Weights are fixed-point numbers with this many bits after the point. */
const precisionBits = 22;
const half = 1 << (precisionBits - 1);
const channels = 3;

export function resize(image: Pixels, target: Size): Pixels {
  return resizeColumns(resizeRows(image, target.width), target.height);
}

interface Kernels {
  /** Weights of an output pixel; fewer are used at the edges. */
  readonly stride: number;
  /** First input pixel of each output pixel. */
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** [output][stride] */
  readonly weights: Int32Array;
}

function resizeRows(image: Pixels, width: number): Pixels {
  if (width === image.width) return image;
  const { height, rgb } = image;
  const { stride, starts, counts, weights } = kernels(image.width, width);
  const out = new Uint8Array(width * height * channels);
  for (let y = 0, to = 0; y < height; y++) {
    const row = y * image.width * channels;
    for (let x = 0; x < width; x++, to += channels) {
      let from = row + at(starts, x) * channels;
      const first = x * stride;
      const end = first + at(counts, x);
      let red = half;
      let green = half;
      let blue = half;
      for (let tap = first; tap < end; tap++, from += channels) {
        const weight = at(weights, tap);
        red = (red + at(rgb, from) * weight) | 0;
        green = (green + at(rgb, from + 1) * weight) | 0;
        blue = (blue + at(rgb, from + 2) * weight) | 0;
      }
      out[to] = toByte(red);
      out[to + 1] = toByte(green);
      out[to + 2] = toByte(blue);
    }
  }
  return { width, height, rgb: out };
}

function resizeColumns(image: Pixels, height: number): Pixels {
  if (height === image.height) return image;
  const { width, rgb } = image;
  const { stride, starts, counts, weights } = kernels(image.height, height);
  const rowBytes = width * channels;
  const out = new Uint8Array(rowBytes * height);
  const sums = new Int32Array(rowBytes);
  for (let y = 0; y < height; y++) {
    sums.fill(half);
    const count = at(counts, y);
    for (let tap = 0; tap < count; tap++) {
      const weight = at(weights, y * stride + tap);
      const row = (at(starts, y) + tap) * rowBytes;
      for (let x = 0; x < rowBytes; x++) sums[x] = at(sums, x) + at(rgb, row + x) * weight;
    }
    for (let x = 0; x < rowBytes; x++) out[y * rowBytes + x] = toByte(at(sums, x));
  }
  return { width, height, rgb: out };
}

function kernels(from: number, to: number): Kernels {
  const scale = from / to;
  const widened = Math.max(scale, 1);
  const support = 2 * widened;
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(to);
  const counts = new Int32Array(to);
  const weights = new Int32Array(to * stride);
  const exact = new Float64Array(stride);
  const inverse = 1 / widened;
  for (let index = 0; index < to; index++) {
    const center = (index + 0.5) * scale;
    const start = Math.max(Math.trunc(center - support + 0.5), 0);
    const count = Math.min(Math.trunc(center + support + 0.5), from) - start;
    let sum = 0;
    for (let tap = 0; tap < count; tap++) {
      const weight = cubic((tap + start - center + 0.5) * inverse);
      exact[tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < count; tap++) {
      const fixed = (sum === 0 ? at(exact, tap) : at(exact, tap) / sum) * (1 << precisionBits);
      weights[index * stride + tap] = Math.trunc(fixed < 0 ? fixed - 0.5 : fixed + 0.5);
    }
    starts[index] = start;
    counts[index] = count;
  }
  return { stride, starts, counts, weights };
}

function cubic(distance: number): number {
  const a = -0.5;
  const x = Math.abs(distance);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

function toByte(sum: number): number {
  const value = sum >> precisionBits;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

/** An element that exists. */
function at(array: Uint8Array | Int32Array | Float64Array, index: number): number {
  return array[index] ?? 0;
}
