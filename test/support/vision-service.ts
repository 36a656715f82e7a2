/** Starts the service with a random model and a random vision tower. */

import { startTestService, type TestService, type TestServiceOptions } from "./demo-service.js";
import { imageModel } from "./image-model.js";

export async function startVisionService({ load, ...options }: TestServiceOptions = {}): Promise<TestService> {
  return startTestService({ ...options, load: { ...(await imageModel()), contextSize: 1024, imageMaxTokens: 64, ...load } });
}

export function dataUri(file: Buffer): string {
  return `data:image/png;base64,${file.toString("base64")}`;
}
