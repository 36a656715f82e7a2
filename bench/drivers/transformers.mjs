/** transformers on torch in bf16, eager or compiled, if python3 has both. */

import { openPython, whyNotImportable } from "./python.mjs";

/** @import { DriverSettings } from "../types.js" */

export const unavailable = async () => whyNotImportable(["torch", "transformers"]);
export const open = (/** @type {DriverSettings} */ settings) => openPython("transformers_driver.py", settings);
