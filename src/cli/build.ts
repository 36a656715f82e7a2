/** `build`: compiles the native part inside the installed package, from the sources that the package has. */

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { packageDirectory } from "../native/library-folder.js";

/** `definitions` go to CMake, for example -DGGML_CUDA=ON. False = the build failed. */
export async function build(definitions: readonly string[]): Promise<boolean> {
  const script = join(packageDirectory, "native", "build.mjs");
  const child = spawn(process.execPath, [script, ...definitions], { stdio: "inherit" });
  const [code] = await once(child, "close");
  return code === 0;
}
