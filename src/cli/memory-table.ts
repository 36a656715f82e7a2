/** Shows what a model takes of each device's memory, and whether that fits. */

import type { DeviceMemory } from "../../binding.js";
import { sumOf, verdict } from "../engine/fit.js";
import type { MemoryEstimate } from "../types.js";
import { table } from "./table.js";

export function memoryTable({ precision, memory, freeBytes, fit }: MemoryEstimate): string {
  const rows = memory.map((one, index) => {
    const free = freeBytes[index];
    const bytes = [one.weights, one.pages, one.compute, one.vision, sumOf(one)];
    return [one.device, ...bytes.map(gibibytes), free === undefined ? "not told" : gibibytes(free)];
  });
  const weights = precision === "file" ? "as in the file" : `in ${precision}`;
  return [
    `memory, told before loading, with weights ${weights}:\n`,
    table(["device", "weights", "pages", "compute", "vision", "sum", "free"], rows),
    `${verdict(fit)}\n`,
  ].join("");
}

/** What loading took, in one line. */
export function memoryFact(memory: readonly DeviceMemory[]): string {
  return memory.map((one) => `${gibibytes(sumOf(one))} on ${one.device}`).join(", ");
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(2)} GiB`;
}
