/** Tells what a model takes of each device's memory, and whether that fits, before it is loaded. */

import { estimateMemory } from "./engine/memory-estimate.js";
import { enginesOn, sharersOf, sharingDevices } from "./engine/placement.js";
import { fromNative } from "./errors.js";
import { requireModelFile } from "./model/local-file.js";
import { loadAddon } from "./native/addon.js";
import { prepareBackend } from "./native/backends.js";
import { convertedBytes } from "./precision/converted.js";
import { foreseenPrecision } from "./precision/precision.js";
import { resolveLoadOptions } from "./settings/load-options.js";
import type { LoadOptions, MemoryEstimate } from "./types.js";

/**
 * For a model in files of this machine, of which only the headers are read. Rejects with a RerankError as loading does. A GPU's
 * document cache depends on what is free there, so this tells of now.
 */
export async function estimate(options: LoadOptions): Promise<MemoryEstimate> {
  const { headPath, maxDocuments, maxImages, imageLimits, precision: wanted, gpus, ...resolved } = resolveLoadOptions(options);
  const { modelPath, vision, gpuLayers, backend } = resolved;
  await requireModelFile(modelPath);
  const towerBytes = vision ? await requireModelFile(vision.mmprojPath) : 0;
  await prepareBackend(gpuLayers === 0 ? "cpu" : backend);
  try {
    const { backends, inspect } = loadAddon().binding;
    const { devices } = backends();
    const each = enginesOn(gpus, resolved, devices);
    const precision = await foreseenPrecision(each[0], wanted, { sharers: sharersOf(each[0], each), towerBytes });
    const matrixType = precision === "file" ? undefined : precision;
    const weightsBytes = () => (matrixType ? convertedBytes(modelPath, matrixType) : inspect(modelPath).bytes);
    const engines = sharingDevices(each, devices, () => weightsBytes() + towerBytes);
    return { precision, ...(await estimateMemory(engines, matrixType)) };
  } catch (error) {
    throw fromNative(error);
  }
}
