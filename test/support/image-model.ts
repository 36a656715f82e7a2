/** A random model with a vision tower that fits it, and PNGs of images made by code. */

import { png } from "../images/fixtures.js";
import { structuredImage } from "./images.js";
import { type ModelFiles, randomMmproj, randomModel } from "./random-models.js";

export interface ImageModelFiles extends ModelFiles {
  readonly mmprojPath: string;
}

const width = 256;

export async function imageModel(): Promise<ImageModelFiles> {
  const lengths = { layers: 2, embeddingLength: width, headLength: 64, feedForwardLength: 512 };
  const model = await randomModel({ ...lengths, kvHeads: 2, vocabularySize: 4000, type: "f32", seed: 41 });
  const tower = { layers: 2, embeddingLength: 64, headLength: 16, feedForwardLength: 256, projectionLength: width };
  return { ...model, mmprojPath: await randomMmproj({ ...tower, type: "f32", seed: 5 }) };
}

/** A structured image as a file; the seed makes it another one. */
export function structuredPng(columns: number, rows: number, seed: number): Buffer {
  const { rgb } = structuredImage(columns, rows, seed);
  const lines = Array.from({ length: rows }, (_, y) => [Buffer.of(0), rgb.subarray(y * columns * 3, (y + 1) * columns * 3)]);
  return png({ width: columns, height: rows }, Buffer.concat(lines.flat()));
}
