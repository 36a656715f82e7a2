/**
 * The built command fetches a model in processes of its own: killed and started again, two at once, with and without a terminal,
 * and `serve` from an empty cache to an answer. Run `npm run build` first.
 */

import { spawn, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream } from "node:fs";
import { mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { officialRepository } from "../../src/model/official.js";
import { Unhealthy } from "../../src/wire/schemas.js";
import { endedWithin, runCommand, startCommand } from "../support/command.js";
import { demoModel, post } from "../support/demo-service.js";
import { headFile, modelFile, nobody, repository } from "../support/hub.js";
import { bytesFile, diskFile, type HubDouble, type HubFile, startHub } from "../support/hub-double.js";
import { json } from "../support/json.js";
import { until } from "../support/until.js";

const size = 4_000_000;
const loopback = ["--host", "127.0.0.1", "--port", "0", "--n-gpu-layers", "0", "--n-threads", "1"];

interface Machine {
  readonly hub: HubDouble;
  readonly model: HubFile;
  readonly home: string;
  readonly variables: Record<string, string>;
}

/** A hub with the files under the official names, and an empty home. */
async function machine(files?: { modelPath: string; headPath: string }): Promise<Machine> {
  const hub = await startHub();
  const home = await mkdtemp(join(tmpdir(), "jina-reranker-home-"));
  onTestFinished(async () => {
    await hub[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  });
  const model = files ? await diskFile(files.modelPath) : bytesFile(randomBytes(size));
  hub.put(repository, modelFile, model);
  hub.put(repository, headFile, files ? await diskFile(files.headPath) : bytesFile(randomBytes(1000)));
  const variables = {
    ...{ HF_ENDPOINT: hub.url, HF_HOME: join(home, "huggingface"), XDG_CACHE_HOME: join(home, "cache") },
    MODEL_ID: repository,
  };
  return { hub, model, home, variables };
}

/** The hub stops after this many bytes of the GGUF, until its fault is removed. */
function stall(hub: HubDouble, model: HubFile, after: number): void {
  hub.fault = ({ host, path }) => (host === "storage" && path.includes(model.sha256) ? { stallAfter: after } : undefined);
}

async function partialBytes({ variables }: Machine): Promise<number> {
  const blobs = join(variables.HF_HOME ?? "", "hub", "models--someone--jina-reranker-copy", "blobs");
  const names = await readdir(blobs).catch(() => []);
  const partial = names.find((name) => name.endsWith(".partial"));
  if (partial === undefined) return 0;
  // The complete file may be renamed at any time.
  return stat(join(blobs, partial)).then(
    ({ size }) => size,
    () => 0,
  );
}

/** Waits until this many bytes of the GGUF are on disk. */
async function arrived(on: Machine, bytes: number): Promise<void> {
  await until(async () => (await partialBytes(on)) >= bytes);
}

async function sha256(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk);
  return hash.digest("hex");
}

describe("download", () => {
  test("prints the paths of both files; the second time it fetches no content", async () => {
    const { hub, model, variables } = await machine();
    const first = await runCommand(["download"], { variables });
    expect(first.code).toBe(0);
    const [modelPath = "", headPath = ""] = first.stdout.trimEnd().split("\n");
    expect(await sha256(modelPath)).toBe(model.sha256);
    expect(headPath.endsWith(headFile)).toBe(true);
    expect(first.stderr).toContain("the licence of the model is on its page");
    const sent = hub.contentBytes();
    const second = await runCommand(["download", repository, modelFile], { variables: { ...variables, MODEL_ID: "" } });
    expect(second).toMatchObject({ code: 0, stdout: first.stdout });
    expect(second.stderr).not.toContain("licence");
    expect(hub.contentBytes()).toBe(sent);
  });

  test("continues what a killed process left: no byte is sent twice", async () => {
    const on = await machine();
    const { hub, model, variables } = on;
    stall(hub, model, size * 0.4);
    const killed = startCommand(["download"], variables);
    await arrived(on, size * 0.4);
    killed.child.kill("SIGKILL");
    await killed.ended;
    hub.fault = () => undefined;
    const { code, stdout } = await runCommand(["download"], { variables });
    expect(code).toBe(0);
    expect(await sha256(stdout.split("\n")[0] ?? "")).toBe(model.sha256);
    expect(hub.contentBytes()).toBe(size + 1000);
  });

  test("in two processes at once fetches each byte once, and both print the right files", async () => {
    const on = await machine();
    const { hub, model, variables } = on;
    let asked = 0;
    hub.fault = ({ host, path }) =>
      host === "storage" && path.includes(model.sha256) && asked++ === 0 ? { stallAfter: size / 2 } : undefined;
    const first = startCommand(["download"], variables);
    await arrived(on, size / 2);
    const second = startCommand(["download"], variables);
    let said = "";
    second.child.stderr.on("data", (text: string) => {
      said += text;
    });
    await until(() => said.includes("another process is fetching"));
    // The first process's connection breaks and it continues. The second one finds the complete file.
    hub.cutConnections();
    const outcomes = await Promise.all([first.ended, second.ended]);
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0]);
    expect(outcomes[0]?.stdout).toBe(outcomes[1]?.stdout);
    expect(await sha256(outcomes[0]?.stdout.split("\n")[0] ?? "")).toBe(model.sha256);
    expect(hub.contentBytes()).toBe(size + 1000);
  });

  test("without a terminal writes a progress line every few seconds", async () => {
    const on = await machine();
    stall(on.hub, on.model, size / 2);
    const command = startCommand(["download"], on.variables);
    let said = "";
    command.child.stderr.on("data", (text: string) => {
      said += text;
    });
    await until(() => (said.match(/^jina-reranker: fetching .*MB of 4\.0 MB, \d+ %/gm) ?? []).length >= 2);
    expect(said).not.toContain("\u001b");
    command.child.kill("SIGTERM");
    await command.ended;
  });

  test.skipIf(spawnSync("script", ["--version"]).status !== 0)(
    "on a terminal shows a moving bar with speed and time left",
    async () => {
      const on = await machine();
      on.hub.fault = ({ host }) => (host === "storage" ? { pauseMs: 20 } : undefined);
      const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
      const { PATH, HOME } = process.env;
      const terminal = spawn("script", ["-qec", `stty cols 140; "${process.execPath}" "${main}" download`, "/dev/null"], {
        env: { PATH, HOME, TERM: "xterm", ...on.variables },
      });
      let screen = "";
      terminal.stdout.setEncoding("utf8").on("data", (text: string) => {
        screen += text;
      });
      const [code] = await endedWithin(terminal, once(terminal, "close"), "download in a terminal");
      expect(code).toBe(0);
      const percents = [
        ...screen.matchAll(/fetching \S+ [█░]+ (\d+) % \| [\d.]+ MB of 4\.0 MB \| [\d.]+ MB\/s \| (\d+ s|…) left/g),
      ];
      expect(new Set(percents.map(([, percent]) => percent)).size).toBeGreaterThan(5);
      expect(percents.some(([bar]) => /\| (?!0\.0 )[\d.]+ MB\/s \| \d+ s left/.test(bar))).toBe(true);
      expect(screen.trimEnd().split("\r\n").at(-2)).toMatch(new RegExp(`snapshots/[0-9a-f]{40}/${modelFile}$`));
    },
  );
});

describe("serve", () => {
  test("with an empty cache listens at once, shows the fetch's progress in /health, then scores", async () => {
    const on = await machine(await demoModel());
    const { hub, model, variables } = on;
    stall(hub, model, Math.floor(model.size / 2));
    const command = startCommand(["serve", ...loopback], variables);
    const listening = await command.line((line) => line.includes("Server listening"));
    const url = /http:\/\/127\.0\.0\.1:\d+/.exec(listening)?.[0] ?? "";
    await arrived(on, Math.floor(model.size / 2));
    const health = await fetch(`${url}/health`);
    expect(health.status).toBe(503);
    const body = await json(Unhealthy, health);
    expect(body).toMatchObject({
      ...{ status: "loading", reason: `${modelFile} is being fetched` },
      fetch: { phase: "fetching", file: modelFile, bytes: expect.any(Number), total_bytes: expect.any(Number) },
    });
    expect(body.fetch?.percent).toBeGreaterThan(40);
    expect(body.fetch?.percent).toBeLessThan(60);
    const early = await post(`${url}/rerank`, { query: "a", documents: ["a"] });
    expect([early.status, early.headers.get("retry-after")]).toEqual([503, "2"]);
    hub.fault = () => undefined;
    hub.cutConnections();
    await command.line((line) => line.includes('"msg":"ready"'));
    const answer = await post(`${url}/rerank`, { query: "weather", documents: ["a cat", "the weather"] });
    expect(await answer.json()).toMatchObject({ model: "jina-reranker-m0-Q4_K_M", results: [{ index: 1 }, { index: 0 }] });
    command.child.kill("SIGTERM");
    expect((await command.ended).code).toBe(0);

    const before = hub.contentBytes();
    const again = startCommand(["serve", ...loopback, "--hf-hub-offline"], variables);
    await again.line((line) => line.includes('"msg":"ready"'));
    again.child.kill("SIGTERM");
    await again.ended;
    expect(hub.contentBytes()).toBe(before);

    const info = await runCommand(["info", "--json"], { variables });
    expect(JSON.parse(info.stdout).hub).toMatchObject({
      ...{ repository, commit: hub.commit },
      files: [modelFile, headFile].map((file) => ({ file, state: "verified against the checksum the hub gave it" })),
    });
    expect(JSON.parse(info.stdout).memory.fit).toEqual({ fits: "whole" });
    const without = await runCommand(["info", "--json"], { variables: { ...variables, MMPROJ_PATH: "no-such-tower.gguf" } });
    expect(JSON.parse(without.stdout)).toMatchObject({
      hub: { repository },
      memoryNotTold: expect.stringContaining("no-such-tower"),
    });
  });

  test("refuses another file under the official repository's name with both checksums, and exits with 1", async () => {
    const { hub, model, variables } = await machine(await demoModel());
    hub.put(officialRepository, modelFile, model);
    hub.put(officialRepository, headFile, bytesFile(randomBytes(100)));
    const { code, stderr } = await runCommand(["serve", ...loopback], { variables: { ...variables, MODEL_ID: "" } });
    expect(code).toBe(1);
    expect(stderr).toContain(model.sha256);
    expect(stderr).toContain("30c680bcc5ff0b89d0b3470a1fa44cd510b99f972a9e1bda61075277ff50e3c0");
  });

  test("without a network says on one screen what is missing and three ways to go on, and loads no other model", async () => {
    const { variables } = await machine();
    for (const change of [{ HF_ENDPOINT: await nobody() }, { HF_HUB_OFFLINE: "1" }]) {
      const { code, stdout, stderr } = await runCommand(["serve", ...loopback], { variables: { ...variables, ...change } });
      expect(code).toBe(1);
      expect(stdout).not.toContain('"msg":"ready"');
      for (const word of [repository, modelFile, headFile, "MODEL_PATH", "HF_ENDPOINT", "--demo"]) expect(stderr).toContain(word);
      expect(stderr.split("\n").length).toBeLessThan(24);
    }
  });

  test("with --keep-alive-on-failure answers failed with the reason until it is stopped", async () => {
    const { variables } = await machine();
    const command = startCommand(["serve", ...loopback, "--keep-alive-on-failure", "--hf-hub-offline"], variables);
    const port = JSON.parse(await command.line((line) => line.includes("staying up"))).port;
    const health = await fetch(`http://127.0.0.1:${port}/health`);
    expect(health.status).toBe(503);
    expect(await health.json()).toMatchObject({ status: "failed", reason: expect.stringContaining("not both in the cache") });
    command.child.kill("SIGTERM");
    expect((await command.ended).code).toBe(0);
  });
});

describe("verify", () => {
  test("prints the largest and the mean difference, and exits with 1 beyond the tolerance", async () => {
    const { modelPath, headPath } = await demoModel();
    const model = ["--model", modelPath, "--head", headPath, "--n-gpu-layers", "0", "--n-threads", "1"];
    const documents = ["the weather", "a cat"];
    const input = `${documents.join("\n")}\n`;
    const { results } = JSON.parse((await runCommand(["rerank", ...model, "-q", "weather"], { input })).stdout);
    const directory = await mkdtemp(join(tmpdir(), "jina-reranker-pairs-"));
    const pairs = join(directory, "pairs.jsonl");
    const lines = results.map(
      ({ document, relevance_score: score }: { document: string; relevance_score: number }, index: number) =>
        JSON.stringify({ query: "weather", document, score: index === 1 ? score + 0.01 : score }),
    );
    await writeFile(pairs, `${lines.join("\n\n")}\n`);
    const within = await runCommand(["verify", ...model, "--pairs", pairs, "--json"]);
    expect(within.code).toBe(0);
    const summary = JSON.parse(within.stdout);
    expect(summary).toMatchObject({ pairs: 2, line: 3, within: true, tolerance: 0.02 });
    expect(summary.max_difference).toBeCloseTo(0.01, 5);
    expect(summary.mean_difference).toBeCloseTo(0.005, 5);
    const beyond = await runCommand(["verify", ...model, "--pairs", pairs, "--tolerance", "0.001"]);
    expect(beyond.code).toBe(1);
    expect(beyond.stdout).toMatch(
      /2 pairs: max difference 0\.0100\d\d \(line 3\), mean 0\.0050\d\d; beyond the tolerance 0\.001/,
    );
    await writeFile(pairs, '{"query":"a","document":"b"}\n');
    const wrong = await runCommand(["verify", ...model, "--pairs", pairs]);
    expect([wrong.code, wrong.stderr]).toEqual([1, expect.stringMatching(/pairs\.jsonl, line 1: expected \{"query"/)]);
  });
});
