/** An ES module for `require`, which Node can load from 20.19 and 22.12 on. */

/** @param otherwise what an older Node gets; without it an error says what works there. */
function esModule<Module>(entryPoint: string, load: () => Module, otherwise?: Module): Module {
  try {
    return load();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ERR_REQUIRE_ESM")) throw error;
    if (otherwise !== undefined) return otherwise;
    const [needed, here] = ["Node 20.19, 22.12 or newer", process.versions.node];
    throw new Error(`require("${entryPoint}") needs ${needed}; await import("${entryPoint}") works in this one, ${here}`, {
      cause: error,
    });
  }
}

export = esModule;
