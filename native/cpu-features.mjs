/**
 * The features of a processor, this machine's by default, as definitions for a build of ggml with one CPU backend. A package's build
 * has every variant of it and chooses one when it is loaded. ggml's own option GGML_NATIVE does not work together with backends as
 * plug-ins.
 */
import { readFileSync } from "node:fs";

/** ggml's options, and the flags in the kernel's list that each needs. */
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

/** The flags of any processor with AVX2. */
export const avx2Flags = ["sse4_2", "avx", "f16c", "fma", "bmi2", "avx2"];

/** This machine's flags; undefined when its processor is not x86 or they are unknown. */
function ownFlags() {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  let flags;
  try {
    flags = readFileSync("/proc/cpuinfo", "utf8").match(/^flags\s*:(.*)$/m)?.[1];
  } catch {
    return undefined;
  }
  return flags ? flags.trim().split(/\s+/) : undefined;
}

/** Empty without flags. Then ggml's defaults apply, which need AVX2. */
export function cpuDefinitions(flags = ownFlags()) {
  if (!flags) return [];
  const present = new Set(flags);
  /** @param {readonly string[]} names */
  const has = (names) => names.every((name) => present.has(name));
  return Object.entries(options).map(([option, names]) => `-D${option}=${has(names) ? "ON" : "OFF"}`);
}
