/** Our HTTP service: `serve` in a process of its own, with requests over one pool of keep-alive connections. */

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { Pool } from "undici";
import { startChild } from "./child.mjs";

/** @import { DriverSettings, OpenDriver } from "../types.js" */

const main = join(dirname(fileURLToPath(import.meta.url)), "../../dist/cli/main.js");

/** @returns {Promise<string | undefined>} */
export async function unavailable() {
  return undefined;
}

/**
 * @param {DriverSettings} settings
 * @returns {Promise<OpenDriver>}
 */
export async function open(settings) {
  const flags = {
    "--model": settings.modelPath,
    "--head": settings.headPath,
    "--n-threads": settings.threads,
    "--n-gpu-layers": settings.gpuLayers,
    "--ctx-size": settings.contextSize,
    "--precision": settings.precision ?? "auto",
    ...(settings.documentCacheMb !== undefined && { "--document-cache-mb": settings.documentCacheMb }),
    ...(settings.batchTokens !== undefined && { "--batch-tokens": settings.batchTokens }),
    "--host": "127.0.0.1",
    "--port": 0,
    // No time-out: slow answers are to be measured, not given up.
    "--request-timeout-ms": 3_600_000,
    "--max-queued-pairs": 100_000,
  };
  const args = Object.entries(flags).flatMap(([flag, value]) => [flag, String(value)]);
  const server = await startChild(process.execPath, [main, "serve", ...args]);
  // The line with "ready" comes when the port is open and the model is loaded.
  const [, port = ""] = await server.line(/"port":(\d+).*"msg":"ready"/);
  const url = `http://127.0.0.1:${port}`;
  const pool = new Pool(url, { headersTimeout: 0, bodyTimeout: 0 });
  return {
    pid: server.pid,
    facts: { precision: flags["--precision"] },
    url,
    async score({ query, documents }, signal) {
      const { statusCode, body } = await pool.request({
        method: "POST",
        path: "/rerank",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ query, documents, return_documents: false }),
        ...(signal && { signal }),
      });
      const text = await body.text();
      if (statusCode !== 200) throw new Error(`${url}/rerank answered ${statusCode}: ${text}`);
      /** @type {{ results: { index: number, relevance_score: number }[] }} */
      const { results } = JSON.parse(text);
      const logits = new Float64Array(documents.length).fill(Number.NaN);
      for (const { index, relevance_score: score } of results) logits[index] = Math.log(score / (1 - score));
      return { kind: "logits", logits };
    },
    async close() {
      await pool.destroy();
      await server.stop();
    },
  };
}
