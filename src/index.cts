/**
 * The library for `require`. From Node 20.19 and 22.12 on it is the ES module itself. An older Node cannot load one
 * without waiting: there `Reranker.load`, which waits anyway, is what one gets first, and all the rest once it was called.
 */

import type * as esm from "./index.js" with { "resolution-mode": "import" };

type Library = typeof esm;

function whole(): Library | undefined {
  try {
    return require("./index.js");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_REQUIRE_ESM") return undefined;
    throw error;
  }
}

async function load(options: Parameters<typeof esm.Reranker.load>[0]): Promise<esm.Reranker> {
  const later = await import("./index.js");
  Object.assign(module.exports, later);
  return later.Reranker.load(options);
}

module.exports = whole() ?? { Reranker: { load } };
