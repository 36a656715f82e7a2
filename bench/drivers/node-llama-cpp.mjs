/**
 * The npm package node-llama-cpp with its own prebuilt llama.cpp: an embedding context, with the token ids of our engine. It
 * computes one text at a time and reuses nothing.
 */

import { cpuThreads } from "../machine.mjs";

/** @import { DriverSettings, OpenDriver } from "../types.js" */

/** @returns {Promise<string | undefined>} */
export async function unavailable() {
  try {
    await import("node-llama-cpp");
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/**
 * @param {number} id
 * @returns {id is import("node-llama-cpp").Token}
 */
const isToken = (id) => Number.isInteger(id) && id >= 0;

/**
 * @param {DriverSettings} settings
 * @returns {Promise<OpenDriver>}
 */
export async function open({ modelPath, threads, gpuLayers, contextSize }) {
  const { getLlama, LlamaLogLevel } = await import("node-llama-cpp");
  const llama = await getLlama({
    gpu: gpuLayers === 0 ? false : "auto",
    build: "never",
    skipDownload: true,
    logLevel: LlamaLogLevel.error,
    maxThreads: threads === 0 ? cpuThreads() : threads,
  });
  const model = await llama.loadModel({ modelPath, gpuLayers });
  const context = await model.createEmbeddingContext({
    contextSize: Math.min(contextSize, 4096),
    batchSize: 512,
    threads: threads === 0 ? cpuThreads() : threads,
  });
  return {
    pid: process.pid,
    facts: { threads: threads === 0 ? cpuThreads() : threads, gpu: String(llama.gpu), llamaCpp: llama.llamaCppRelease.release },
    async score({ pairs }, signal) {
      const hidden = [];
      for (const pair of pairs) {
        signal?.throwIfAborted();
        const { vector } = await context.getEmbeddingFor([...pair].filter(isToken));
        hidden.push(vector);
      }
      return { kind: "hidden", hidden };
    },
    async close() {
      await llama.dispose();
    },
  };
}
