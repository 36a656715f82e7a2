/** The values of GPUS. */

import type { Kind } from "./kinds.js";

/** The number of a GPU, or the CPU. */
export type GpuName = number | "cpu";

/** Several engines may share a device. */
export function gpuNames(): Kind<readonly GpuName[]> {
  const isName = (value: unknown): value is GpuName =>
    value === "cpu" || (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 64);
  const accepts = (value: unknown): value is readonly GpuName[] =>
    Array.isArray(value) && value.length > 0 && value.length <= 64 && value.every(isName);
  return {
    allowed: "numbers from 0 to 63, or cpu, separated by commas",
    placeholder: "<list>",
    parse: (text) => {
      const parts = text.split(",").map((part) => part.trim().toLowerCase());
      const names = parts.map((part) => (/^\d+$/.test(part) ? Number(part) : part));
      return accepts(names) ? names : undefined;
    },
    accepts,
  };
}
