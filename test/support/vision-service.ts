/** Starts the service with a random model and a random vision tower, and makes pictures to send to it. */

import { png } from "../images/fixtures.js";
import { startTestService, type TestService, type TestServiceOptions } from "./demo-service.js";
import { structuredImage } from "./images.js";
import { randomMmproj, randomModel } from "./random-models.js";

const shape = { layers: 2, embeddingLength: 256, headLength: 64, kvHeads: 2, feedForwardLength: 256, vocabularySize: 4000 };
const tower = { layers: 2, embeddingLength: 64, headLength: 16, feedForwardLength: 128, projectionLength: 256 };

export async function startVisionService({ load, ...options }: TestServiceOptions = {}): Promise<TestService> {
  const model = await randomModel({ ...shape, type: "f32", seed: 3 });
  const mmprojPath = await randomMmproj({ ...tower, type: "f32", seed: 4 });
  return startTestService({ ...options, load: { ...model, mmprojPath, contextSize: 1024, imageMaxTokens: 64, ...load } });
}

/** A PNG; each seed gives another one. */
export function picture(width: number, height: number, seed: number): Buffer {
  const { rgb } = structuredImage(width, height, seed);
  const rows = Array.from({ length: height }, (_, y) => [Buffer.from([0]), rgb.subarray(y * width * 3, (y + 1) * width * 3)]);
  return png({ width, height }, Buffer.concat(rows.flat()));
}

export function dataUri(file: Buffer): string {
  return `data:image/png;base64,${file.toString("base64")}`;
}
