/** vLLM in bf16, if python3 has it. */

import { openPython, whyNotImportable } from "./python.mjs";

/** @import { DriverSettings } from "../types.js" */

export async function unavailable() {
  const why = whyNotImportable(["vllm"]);
  return why === "vllm is not installed" ? "vLLM is not installed" : why;
}
export const open = (/** @type {DriverSettings} */ settings) => openPython("vllm_driver.py", settings);
