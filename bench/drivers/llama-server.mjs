/**
 * llama.cpp's own HTTP server, built from the vendored sources: its embedding route with pooling "last". Requests have the token
 * ids of our engine, so both compute the same prompt. Vectors are requested without normalisation and in base64, which is the
 * least work for both sides.
 */

import { createServer } from "node:net";
import { Pool } from "undici";
import { cpuThreads } from "../machine.mjs";
import { llamaServerPath } from "../rivals/llama-server.mjs";
import { startChild } from "./child.mjs";

/** @import { DriverSettings, OpenDriver } from "../types.js" */

/** @returns {Promise<string | undefined>} */
export async function unavailable() {
  return llamaServerPath() === undefined ? "it is not built: node bench/rivals/llama-server.mjs" : undefined;
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        address !== null && typeof address === "object" ? resolve(address.port) : reject(new Error("no port is free")),
      );
    });
  });
}

/** @param {string} base64 */
function floats(base64) {
  const bytes = Buffer.from(base64, "base64");
  // Copied, because a pooled Buffer may not be aligned for floats.
  return new Float32Array(new Uint8Array(bytes).buffer);
}

/**
 * @param {DriverSettings} settings
 * @returns {Promise<OpenDriver>}
 */
export async function open({ modelPath, threads, gpuLayers, contextSize, slots, batchTokens }) {
  const path = llamaServerPath();
  if (path === undefined) throw new Error("llama-server is not built");
  const port = await freePort();
  const count = String(threads === 0 ? cpuThreads() : threads);
  const args = ["--model", modelPath, "--embeddings", "--pooling", "last", "--embd-normalize", "-1"];
  args.push("--threads", count, "--threads-batch", count, "--n-gpu-layers", String(gpuLayers));
  args.push("--host", "127.0.0.1", "--port", String(port));
  // With a given number of slots each has its share of the context. With the default number they share one buffer.
  args.push(...(slots === undefined ? ["--ctx-size", "32768"] : ["--parallel", String(slots)]));
  if (slots !== undefined) args.push("--ctx-size", String(slots * Math.min(contextSize, 2304)));
  if (batchTokens !== undefined) args.push("--batch-size", String(batchTokens), "--ubatch-size", String(batchTokens));
  const server = await startChild(path, args);
  await server.line(/model loaded/);
  // If it cannot use the GPU, it says so and computes on the CPU.
  if (gpuLayers > 0 && server.said(/no usable GPU found/)) {
    await server.stop();
    throw new Error("llama-server found no usable GPU");
  }
  const pool = new Pool(`http://127.0.0.1:${port}`, { headersTimeout: 0, bodyTimeout: 0 });
  return {
    pid: server.pid,
    facts: { threads: Number(count), slots: slots ?? "auto" },
    async score({ pairs }, signal) {
      const { statusCode, body } = await pool.request({
        method: "POST",
        path: "/v1/embeddings",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ input: pairs.map((pair) => [...pair]), encoding_format: "base64", embd_normalize: -1 }),
        ...(signal && { signal }),
      });
      const text = await body.text();
      if (statusCode !== 200) throw new Error(`llama-server answered ${statusCode}: ${text.slice(0, 500)}`);
      /** @type {{ data: { index: number, embedding: string }[] }} */
      const { data } = JSON.parse(text);
      const hidden = data.sort((a, b) => a.index - b.index).map(({ embedding }) => floats(embedding));
      return { kind: "hidden", hidden };
    },
    async close() {
      await pool.destroy();
      await server.stop();
    },
  };
}
