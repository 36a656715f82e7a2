/**
 * The checks that build/checked/ has: they end a process in which a JavaScript value is released off its thread. `node test/run.mjs
 * threads` runs tests on that build of our addon; these show that it would tell, in processes of their own, since it ends them.
 */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { ended } from "../support/command.js";

const build = join(import.meta.dirname, "../../build");

function releaseElsewhere() {
  const program = `const module = { exports: {} };
    process.dlopen(module, ${JSON.stringify(join(build, "tests", "astray-addon.node"))});
    module.exports.releaseElsewhere({});
    console.log("nobody looked");`;
  return ended(spawn(process.execPath, ["-e", program], { stdio: ["ignore", "pipe", "pipe"] }));
}

it.skipIf(process.platform === "win32")(
  "a value that is released on another thread ends the process, with the reason",
  async () => {
    expect(await releaseElsewhere()).toEqual({
      code: null,
      signal: "SIGABRT",
      stdout: "",
      stderr: expect.stringContaining("napi_delete_reference was called on a thread that is not its environment's"),
    });
  },
);

it.skipIf(process.platform === "win32")("our addon is built with them, beside its libraries", () => {
  for (const file of ["jina_reranker.node", "libllama.so"]) expect(existsSync(join(build, "checked", file)), file).toBe(true);
});
