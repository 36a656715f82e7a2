/** `demo`: serves the demo model, sends README's example to it over HTTP, shows the answer and goes on serving. */

import { randomUUID } from "node:crypto";
import { example } from "../demo/example.js";
import { demoNotice, modelName, modelSource } from "../load.js";
import { stopOnSignals } from "../server/listen.js";
import { type Service, startService } from "../server/service.js";
import type { Settings } from "../settings/table.js";
import { loadModel, silent } from "./load-model.js";
import { createLogger } from "./logger.js";
import { serviceOptions } from "./service-options.js";
import { table } from "./table.js";

const exampleRequest = { ...example, top_k: 2 };

interface ExampleAnswer {
  readonly results: readonly { readonly relevance_score: number; readonly document: string }[];
}

export async function demo(once: boolean, given: Settings): Promise<void> {
  const { apiKeys, apiKeysFile } = given;
  // Where the service wants keys, the demo's own request brings one too.
  const keyed = apiKeys !== undefined || apiKeysFile !== undefined;
  const settings = { ...given, ...(keyed && { apiKeys: [randomUUID(), ...(apiKeys ?? [])] }) };
  const source = modelSource({ ...settings, modelPath: undefined, demo: true });
  print(`jina-reranker demo: ${demoNotice}.`);
  let service: Service | undefined;
  stopOnSignals(async () => service?.stop());
  service = await startService({
    ...(await serviceOptions(settings, modelName(source))),
    // On stderr and for warnings alone, so that the demo's own lines stand out.
    logger: createLogger({ ...settings, logLevel: "warn" }, process.stderr),
    load: (onProgress) => loadModel(source, settings, { onProgress, logger: silent }),
  });
  try {
    await service.loaded;
    await showExample(service, settings);
  } catch (error) {
    await service.stop();
    throw error;
  }
  if (once) {
    await service.stop();
    return;
  }
  print(`\nPlayground: http://localhost:${service.port}/\nServing until Ctrl-C.`);
}

async function showExample(service: Service, { host, apiKeys: [key] = [] }: Settings): Promise<void> {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host.includes(":") ? `[${host === "::" ? "::1" : host}]` : host;
  const answer = await fetch(`http://${reachable}:${service.port}/rerank`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(key !== undefined && { authorization: `Bearer ${key}` }) },
    body: JSON.stringify(exampleRequest),
  });
  const body = await answer.text();
  if (!answer.ok) throw new Error(`the demo's own request was answered with ${answer.status}: ${body}`);
  const parsed: unknown = JSON.parse(body);
  print(`\nPOST http://localhost:${service.port}/rerank\n${JSON.stringify(exampleRequest, null, 2)}\n`);
  if (isExampleAnswer(parsed)) {
    print(
      table(
        ["rank", "score", "document"],
        parsed.results.map(({ relevance_score, document }, index) => [String(index + 1), relevance_score.toFixed(4), document]),
      ),
    );
  }
  print(JSON.stringify(parsed, null, 2));
}

function isExampleAnswer(value: unknown): value is ExampleAnswer {
  return typeof value === "object" && value !== null && "results" in value && Array.isArray(value.results);
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
