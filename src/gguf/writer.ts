/** Writes a GGUF block by block, so that a model of gigabytes is never in memory as a whole. */

import { type FileHandle, open } from "node:fs/promises";
import { encoders } from "./encode.js";
import { bytesOf, elements, encodeHeader, type MetadataValue, padding, type TensorInfo } from "./header.js";

export interface Tensor extends TensorInfo {
  /** Fills a block with the values from element `offset` on. Called for ascending offsets. */
  fill(block: Float32Array, offset: number): void;
}

const blockElements = 1 << 20;

export async function writeGguf(
  path: string,
  metadata: ReadonlyMap<string, MetadataValue>,
  tensors: readonly Tensor[],
): Promise<void> {
  const file = await open(path, "w");
  try {
    await writeAll(file, encodeHeader(metadata, tensors));
    for (const tensor of tensors) await writeTensor(file, tensor);
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; ) offset += (await file.write(bytes, offset)).bytesWritten;
}

async function writeTensor(file: FileHandle, tensor: Tensor): Promise<void> {
  const count = elements(tensor);
  const block = new Float32Array(Math.min(count, blockElements));
  for (let offset = 0; offset < count; offset += block.length) {
    const part = block.subarray(0, Math.min(block.length, count - offset));
    tensor.fill(part, offset);
    await writeAll(file, encoders[tensor.type](part));
  }
  await writeAll(file, new Uint8Array(padding(bytesOf(tensor.type, count))));
}
