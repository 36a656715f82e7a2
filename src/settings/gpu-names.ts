/** The values of GPUS. */

import type { Kind } from "./kinds.js";

/** The number of a GPU, or the CPU. */
export type GpuName = number | "cpu";

/** Several engines may share the CPU, but not a GPU. */
export function gpuNames(): Kind<readonly GpuName[]> {
  const isName = (value: unknown): value is GpuName =>
    value === "cpu" || (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < 64);
  const accepts = (value: unknown): value is readonly GpuName[] => {
    if (!Array.isArray(value) || value.length === 0 || value.length > 64 || !value.every(isName)) return false;
    const numbers = value.filter((name) => name !== "cpu");
    return new Set(numbers).size === numbers.length;
  };
  return {
    allowed: "different numbers from 0 to 63, or cpu, separated by commas",
    placeholder: "<list>",
    parse: (text) => {
      const parts = text.split(",").map((part) => part.trim().toLowerCase());
      const names = parts.map((part) => (/^\d+$/.test(part) ? Number(part) : part));
      return accepts(names) ? names : undefined;
    },
    accepts,
  };
}
