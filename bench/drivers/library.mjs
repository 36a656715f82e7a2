/** Our library, in the driver's own process. */

import { Reranker } from "../../dist/index.js";
import { native } from "../../dist/native/index.js";
import { batchTimes } from "../batch-times.mjs";

/** @import { BatchTimes, DriverSettings, OpenDriver } from "../types.js" */

/** @returns {Promise<string | undefined>} */
export async function unavailable() {
  return undefined;
}

/**
 * @param {DriverSettings} settings
 * @returns {Promise<OpenDriver>}
 */
export async function open({ slots: _, shape: __, compiled: ___, engines, logBatches, ...settings }) {
  /** @type {BatchTimes[]} */
  const batches = [];
  // Only where it is asked for: each line is handed to this thread.
  if (logBatches) native.setLogSink((_level, text) => batches.push(...[batchTimes(text) ?? []].flat()));
  const device = settings.gpuLayers > 0 ? 0 : "cpu";
  const reranker = await Reranker.load({
    ...settings,
    ...(engines !== undefined && { gpus: Array.from({ length: engines }, () => device) }),
    // Caches of images would answer the second request for the same page.
    ...(settings.mmprojPath !== undefined && { imageCacheMb: 0 }),
  });
  const { vision: _vision, memory: _memory, ...facts } = reranker.info;
  return {
    pid: process.pid,
    facts: { ...facts, precision: reranker.precision.precision, precisionReason: reranker.precision.reason },
    async score({ query, documents }, signal) {
      const { logits } = await reranker.score({ query, documents, ...(signal && { signal }) });
      return { kind: "logits", logits };
    },
    async pages(images, signal) {
      const { imageEncodeMs: before } = reranker.stats();
      const start = performance.now();
      const documents = images.map((image) => ({ image }));
      const request = { query: "Which page shows the sales of the third quarter?", documents, ...(signal && { signal }) };
      const { usage, timings } = await reranker.score(request);
      const towerMs = reranker.stats().imageEncodeMs - before;
      return {
        seconds: (performance.now() - start) / 1000,
        towerSeconds: towerMs / 1000,
        modelSeconds: (timings.computeMs - towerMs) / 1000,
        tokens: usage.promptTokens,
      };
    },
    batches: () => batches.splice(0),
    close: () => reranker.close(),
  };
}
