/** Short fuzzing; `node test/fuzz/run.mjs --seconds 600 --seed 7` runs longer. */

import { expect, test, vi } from "vitest";
import { Reranker } from "../../src/reranker.js";
import { demoModel, startTestService } from "../support/demo-service.js";
import { fuzzBodies } from "./http-bodies.js";
import { fuzzLines } from "./jsonl-lines.js";

const seconds = Number(process.env.FUZZ_SECONDS ?? 0);
const seed = Number(process.env.FUZZ_SEED ?? 1);

test("every body of any dialect, whole, broken or compressed, is answered without a server error", {
  timeout: 300_000 + 2000 * seconds,
}, async () => {
  await using service = await startTestService({ bodyLimitBytes: 2 ** 20, requestTimeoutMs: 10_000, load: { contextSize: 256 } });
  const end = performance.now() + 1000 * seconds;
  const count = await fuzzBodies(service.service.port, seed, (number) => number < 300 || performance.now() < end);
  if (seconds > 0) console.log(`${count} cases`);
  expect(count).toBeGreaterThanOrEqual(300);
  const warnings = service.log.filter(({ level }) => Number(level) > 30);
  expect(warnings).toEqual([]);
  expect(service.service.context.requests.inFlight).toBe(0);
});

test("every line of a bulk input is answered, whatever it holds", { timeout: 300_000 + 2000 * seconds }, async () => {
  // stderr has a line for each refused line of the input.
  const told = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    const model = await demoModel();
    const load = () => Reranker.load({ ...model, gpuLayers: 0, threads: 1, contextSize: 256 });
    const end = performance.now() + 1000 * seconds;
    let round = seed;
    do await fuzzLines(load, round++, 200);
    while (performance.now() < end);
    expect(told).toHaveBeenCalled();
  } finally {
    told.mockRestore();
  }
});
