/** Our library, in the driver's own process. */

import { Reranker } from "../../dist/index.js";

/** @import { DriverSettings, OpenDriver } from "../types.js" */

/** @returns {Promise<string | undefined>} */
export async function unavailable() {
  return undefined;
}

/**
 * @param {DriverSettings} settings
 * @returns {Promise<OpenDriver>}
 */
export async function open({ slots: _, shape: __, ...settings }) {
  const reranker = await Reranker.load(settings);
  return {
    pid: process.pid,
    facts: { ...reranker.info, precision: reranker.precision.precision, precisionReason: reranker.precision.reason },
    async score({ query, documents }, signal) {
      const { logits } = await reranker.score({ query, documents, ...(signal && { signal }) });
      return { kind: "logits", logits };
    },
    close: () => reranker.close(),
  };
}
