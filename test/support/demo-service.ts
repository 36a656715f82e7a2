/** Starts the service on a free port, with the demo model by default, and keeps its log lines. */

import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { cachedDemoModel } from "../../src/demo/cached-model.js";
import { Reranker } from "../../src/reranker.js";
import type { ServerOptions } from "../../src/server/options.js";
import { type Service, startService } from "../../src/server/service.js";
import type { LoadOptions } from "../../src/types.js";
import { within } from "./until.js";
import { testDevice } from "./vulkan.js";

export type LogLine = Readonly<Record<string, unknown>>;

export interface TestService extends AsyncDisposable {
  readonly service: Service;
  readonly reranker: Reranker;
  readonly url: string;
  readonly log: readonly LogLine[];
  /** The first log line, earlier or later, that `wanted` accepts. */
  logged(wanted: (line: LogLine) => boolean): Promise<LogLine>;
}

export interface TestServiceOptions {
  readonly load?: Partial<LoadOptions>;
  readonly requestTimeoutMs?: number;
  readonly bodyLimitBytes?: number;
  /** The server's options: keys, origins, limits, traces. */
  readonly server?: Partial<ServerOptions>;
}

/** The demo model. It is written once on a machine, and again when its generator changed. */
export function demoModel(): Promise<{ modelPath: string; headPath: string }> {
  return cachedDemoModel(join(tmpdir(), "jina-reranker-test-models"));
}

export async function startTestService(options: TestServiceOptions = {}): Promise<TestService> {
  const { load, requestTimeoutMs = 60_000, bodyLimitBytes = 32 * 2 ** 20, server } = options;
  const { logger, log, logged } = recordingLogger();
  const model = await demoModel();
  const service = await startService({
    modelName: "test-model",
    requestTimeoutMs,
    bodyLimitBytes,
    ...server,
    address: { host: "127.0.0.1", port: 0 },
    logger,
    // One thread, because test files run side by side, and ggml's threads spin while they wait for each other.
    load: (onProgress) => Reranker.load({ ...model, ...testDevice(), threads: 1, onProgress, ...load }),
  });
  const reranker = await service.loaded;
  const url = `http://127.0.0.1:${service.port}`;
  return { service, reranker, url, log, logged, [Symbol.asyncDispose]: () => service.stop() };
}

export function recordingLogger() {
  const log: LogLine[] = [];
  const waiting = new Set<(line: LogLine) => void>();
  const write = (text: string) => {
    const line: LogLine = JSON.parse(text);
    log.push(line);
    for (const tell of waiting) tell(line);
  };
  const logged = async (wanted: (line: LogLine) => boolean): Promise<LogLine> => {
    const present = log.find(wanted);
    if (present) return present;
    const next = new Promise<LogLine>((resolve) => {
      const tell = (line: LogLine) => {
        if (!wanted(line)) return;
        waiting.delete(tell);
        resolve(line);
      };
      waiting.add(tell);
    });
    return within(next, () => `a line of the log that ${wanted.toString()}`);
  };
  return { logger: pino({ level: "debug" }, { write }), log, logged };
}

/** Posts a body as JSON; a string is sent unchanged. */
export function post(url: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...init,
  });
}
