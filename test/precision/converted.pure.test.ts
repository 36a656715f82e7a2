/** A conversion that loses its lock, as when the machine sleeps, keeps nothing of what it made. */

import { mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import type { EngineOptions } from "../../binding.js";
import { convertedFile } from "../../src/precision/converted.js";

let lost: boolean[] = [];
let content = 0;
vi.mock("../../src/files/lock.js", () => ({
  withLock: async <Value>(_path: string, _options: object, action: (lost: AbortSignal) => Promise<Value>) => {
    const signal = lost.shift() ? AbortSignal.abort(new Error("the lock was taken over")) : new AbortController().signal;
    return action(signal);
  },
}));
vi.mock("../../src/native/addon.js", () => ({
  loadAddon: () => ({
    binding: {
      inspect: () => ({ parameters: 10, embeddingParameters: 5, embeddingBytes: 20 }),
      quantize: (_from: string, to: string) => writeFile(to, `weights ${++content}`),
    },
  }),
}));

const events = { onProgress: () => {}, onHashing: () => {}, onWaiting: () => {}, logger: console };

async function convert(): Promise<{ path: string; directory: string }> {
  const cache = await mkdtemp(join(tmpdir(), "jina-reranker-converted-"));
  vi.stubEnv("XDG_CACHE_HOME", cache);
  const options = { modelPath: "source.gguf", threads: 1 } satisfies Partial<EngineOptions>;
  content = 0;
  const path = await convertedFile(options, "ab".repeat(32), "f16", events);
  return { path, directory: join(cache, "jina-reranker", "converted") };
}

test("what was converted without the lock is thrown away and made again", async () => {
  lost = [true, false];
  const { path, directory } = await convert();
  expect(await readFile(path, "utf8")).toBe("weights 2");
  expect((await readdir(directory)).filter((name) => name.includes("unfinished"))).toEqual([]);
});

test("a lock that is lost each time is an error, and nothing is kept", async () => {
  lost = [true, true, true, true];
  await expect(convert()).rejects.toThrow(/its lock was lost 3 times/);
});
