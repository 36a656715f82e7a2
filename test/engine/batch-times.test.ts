/** What the engine logs of each batch, at debug level: where its time went. bench/batch-times.mjs reads it. */

import { afterEach, expect, it } from "vitest";
import { native } from "../../src/native/index.js";
import { Reranker } from "../../src/reranker.js";
import { randomModel, wideShape } from "../support/random-models.js";
import { until } from "../support/until.js";

afterEach(() => native.setLogSink(undefined));

it("says at debug level how long a batch took before, on and after the device", async () => {
  const files = await randomModel({ ...wideShape, layers: 1 });
  await using reranker = await Reranker.load({ ...files, contextSize: 64, gpuLayers: 0, scoreCacheMb: 0 });
  const lines: string[] = [];
  native.setLogSink((level, line) => {
    if (level === "debug") lines.push(line);
  });
  const { usage } = await reranker.score({ query: "which river?", documents: ["the Rhine", "the Danube"] });
  // The line is written after the scores were handed over.
  const parts = ["plan it", "build its graph", "fill its inputs", "compute it", "give its scores"];
  const times = new RegExp(`^batch of (\\d+) rows: ${parts.map((part) => `\\d+ us to ${part}`).join(", ")}$`);
  const rows = () => lines.flatMap((line) => line.match(times)?.slice(1).map(Number) ?? []);
  const computed = () => rows().reduce((sum, count) => sum + count, 0);
  await until(() => computed() >= usage.promptTokens);
  // Each batch of at most two is padded to a multiple of four rows.
  expect(computed()).toBeLessThan(usage.promptTokens + 2 * 4);
});
