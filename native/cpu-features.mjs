/**
 * What this machine's processor can do, as definitions for a build of ggml that runs on this machine alone. A build that
 * goes elsewhere has every variant of the CPU backend instead and chooses when it is loaded. GGML_NATIVE would do this too,
 * but not together with backends as plug-ins.
 */
import { readFileSync } from "node:fs";

/** ggml's option, and the flags of the kernel's list that it needs. */
const options = {
  GGML_SSE42: ["sse4_2"],
  GGML_AVX: ["avx"],
  GGML_F16C: ["f16c"],
  GGML_FMA: ["fma"],
  GGML_BMI2: ["bmi2"],
  GGML_AVX2: ["avx2"],
  GGML_AVX_VNNI: ["avx_vnni"],
  GGML_AVX512: ["avx512f", "avx512cd", "avx512vl", "avx512dq", "avx512bw"],
  GGML_AVX512_VBMI: ["avx512vbmi"],
  GGML_AVX512_VNNI: ["avx512_vnni"],
  GGML_AVX512_BF16: ["avx512_bf16"],
};

/** None where the processor is not an x86 one or does not tell: ggml's defaults hold, which are AVX2's. */
export function cpuDefinitions() {
  if (process.platform !== "linux" || process.arch !== "x64") return [];
  let flags;
  try {
    flags = readFileSync("/proc/cpuinfo", "utf8").match(/^flags\s*:(.*)$/m)?.[1];
  } catch {
    return [];
  }
  if (!flags) return [];
  const present = new Set(flags.trim().split(/\s+/));
  const has = (/** @type {readonly string[]} */ names) => names.every((name) => present.has(name));
  return Object.entries(options).map(([option, names]) => `-D${option}=${has(names) ? "ON" : "OFF"}`);
}
