/** What an operator sees when a device fails: a service over two engines, one of which loses all its results. */

import { expect, test, vi } from "vitest";
import { post, startTestService } from "../support/demo-service.js";
import { FaultyEngine } from "../support/faulty-engine.js";

vi.mock(import("../../src/engine/load.js"), async (original) => {
  const { loadEngines } = await original();
  return {
    loadEngines: async (...given) => {
      const [first, ...others] = await loadEngines(...given);
      if (!first) throw new Error("no engine was loaded");
      const faulty = new FaultyEngine(first);
      faulty.broken = "invalid_score";
      return [faulty, ...others];
    },
  };
});

const query = "a query that nobody may read in the log";
const documents = Array.from({ length: 12 }, (_, index) => `document ${index} that nobody may read either`);

test("a device that is taken out is in the log, the metrics and /health, and costs no answer", async () => {
  await using service = await startTestService({ load: { gpus: ["cpu", "cpu"], scoreCacheMb: 0 } });
  const devices = async () => (await (await fetch(`${service.url}/metrics`)).text()).match(/^rerank_devices\{.*$/gm);
  expect(await devices()).toEqual(['rerank_devices{status="ok"} 2', 'rerank_devices{status="failed"} 0']);

  const answer = await post(`${service.url}/rerank`, { query, documents });
  expect([answer.status, await answer.json()]).toMatchObject([200, { returned_documents: documents.length }]);

  const reason = "invalid_score: the device fell off the bus";
  expect(await service.logged(({ msg }) => msg === "a device was taken out")).toMatchObject({ level: 40, device: "CPU", reason });
  expect(await devices()).toEqual(['rerank_devices{status="ok"} 1', 'rerank_devices{status="failed"} 1']);
  const health: unknown = await (await fetch(`${service.url}/health`)).json();
  expect(health).toMatchObject({
    devices: [
      { device: "CPU", status: "failed", reason },
      { device: "CPU", status: "ok" },
    ],
  });

  // The log has it once, without the request's texts.
  expect((await post(`${service.url}/rerank`, { query, documents })).status).toBe(200);
  expect(service.log.filter(({ msg }) => msg === "a device was taken out")).toHaveLength(1);
  expect(JSON.stringify(service.log)).not.toContain("nobody may read");
});
