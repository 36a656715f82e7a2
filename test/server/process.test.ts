/**
 * What only a process can show: signals end it with the right exit code, also during a request, and a model that cannot be loaded
 * ends it with one line. Each test starts the built command, so `npm run build` comes first.
 */

import { copyFile, mkdtemp, truncate, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type RunningCommand, runCommand, startCommand } from "../support/command.js";
import { demoModel } from "../support/demo-service.js";
import { randomModel, wideShape } from "../support/random-models.js";
import { text } from "../support/texts.js";
import { event } from "../support/until.js";

// One thread: test files run side by side, and ggml's threads spin while they wait for each other.
const loopback = ["--host", "127.0.0.1", "--port", "0", "--n-gpu-layers", "0", "--n-threads", "1"];

async function slowServer(): Promise<{ command: RunningCommand; port: number }> {
  const { modelPath, headPath } = await randomModel(wideShape);
  const command = startCommand(["serve", ...loopback, "--model", modelPath, "--head", headPath]);
  const ready = JSON.parse(await command.line((line) => line.includes('"msg":"ready"')));
  return { command, port: ready.port };
}

/** Sends a request's headers. When it resolves the server has seen them, because it asked for the body. */
async function begun(port: number, documents: number) {
  const body = JSON.stringify({ query: "weather", documents: Array.from({ length: documents }, (_, seed) => text(400, seed)) });
  const sent = request({
    ...{ host: "127.0.0.1", port, path: "/rerank", method: "POST" },
    headers: { "content-type": "application/json", "content-length": Buffer.byteLength(body), expect: "100-continue" },
  });
  sent.flushHeaders();
  await event(sent, "continue", "the request");
  sent.end(body);
  return sent;
}

describe.each(["SIGTERM", "SIGINT"] as const)("%s", (signal) => {
  test("lets a running request finish and ends with 0", async () => {
    const { command, port } = await slowServer();
    const sent = await begun(port, 8);
    command.child.kill(signal);
    const [response] = await event(sent, "response", "the request");
    let body = "";
    for await (const chunk of response) body += String(chunk);
    expect(response.statusCode).toBe(200);
    expect(JSON.parse(body).results).toHaveLength(8);
    const { code, stdout, stderr } = await command.ended;
    expect([code, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/"in_flight":1,"msg":"draining"/);
    expect(stdout).toMatch(/"msg":"stopped"/);
  });

  test("an idle server ends at once with 0, kept-alive connections or not", async () => {
    const { command, port } = await slowServer();
    await (await fetch(`http://127.0.0.1:${port}/ping`)).text();
    command.child.kill(signal);
    expect((await command.ended).code).toBe(0);
  });
});

test("a second signal ends the process at once, whatever runs", async () => {
  const { command, port } = await slowServer();
  const sent = await begun(port, 100);
  sent.on("error", () => {});
  command.child.kill("SIGTERM");
  await command.line((line) => line.includes('"msg":"draining"'));
  command.child.kill("SIGTERM");
  expect(await command.ended).toMatchObject({ code: 143, signal: null });
});

describe("a model that cannot be loaded ends the process with 1 and one line", () => {
  async function failed(...args: string[]): Promise<string> {
    const { code, stderr } = await runCommand(["serve", ...loopback, ...args]);
    expect(code).toBe(1);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    return stderr;
  }

  test("when the file is missing", async () => {
    const { headPath } = await demoModel();
    expect(await failed("--model", "no-such-model.gguf", "--head", headPath)).toContain("no-such-model.gguf");
  });

  test("when the score head is missing", async () => {
    const { modelPath } = await demoModel();
    expect(await failed("--model", modelPath, "--head", "no-such-head.npz")).toContain("no-such-head.npz");
  });

  test("when the file is no GGUF, or only the beginning of one", async () => {
    const { modelPath, headPath } = await demoModel();
    const directory = await mkdtemp(join(tmpdir(), "jina-reranker-bad-"));
    const text = join(directory, "text.gguf");
    await writeFile(text, "this is not a model");
    expect(await failed("--model", text, "--head", headPath)).toContain("text.gguf");
    const cut = join(directory, "cut.gguf");
    await copyFile(modelPath, cut);
    await truncate(cut, 1_000_000);
    expect(await failed("--model", cut, "--head", headPath)).toContain("cut.gguf");
  });
});

test("without a model and without a hub it says the ways on, and never takes the demo model by itself", async () => {
  const variables = { HF_HUB_OFFLINE: "1", HF_HOME: await mkdtemp(join(tmpdir(), "jina-reranker-no-hub-")) };
  const { code, stdout, stderr } = await runCommand(["serve", ...loopback], { variables });
  expect(code).toBe(1);
  expect(stdout).not.toContain("ready");
  for (const way of ["--model", "MODEL_PATH", "HF_ENDPOINT", "--demo"]) expect(stderr).toContain(way);
});

test("with the demo model it says that it is not trained", async () => {
  const command = startCommand(["serve", "--demo", ...loopback]);
  expect(await command.line((line) => line.includes("not trained"))).toContain('"level":40');
  await command.line((line) => line.includes('"msg":"ready"'));
  command.child.kill("SIGTERM");
  expect((await command.ended).code).toBe(0);
});

test("a taken port ends it with 1 and one line that says what to do", async () => {
  const { command, port } = await slowServer();
  const { code, stderr } = await runCommand(["serve", "--demo", "--host", "127.0.0.1", "--port", String(port)]);
  expect(code).toBe(1);
  expect(stderr).toBe(`jina-reranker: port ${port} on 127.0.0.1 is in use; choose another with --port or PORT\n`);
  command.child.kill("SIGTERM");
  await command.ended;
});

test("SIGHUP reads the key file again at once, and does not end the process", async () => {
  const file = join(await mkdtemp(join(tmpdir(), "jina-reranker-keys-")), "keys");
  await writeFile(file, "old-key\n");
  const command = startCommand(["serve", "--demo", ...loopback], { API_KEYS_FILE: file });
  const { port }: { port: number } = JSON.parse(await command.line((line) => line.includes('"msg":"ready"')));
  const ask = async (key: string) => (await fetch(`http://127.0.0.1:${port}/metrics`, { headers: { "x-api-key": key } })).status;
  expect([await ask("old-key"), await ask("new-key")]).toEqual([200, 401]);
  await writeFile(file, "new-key\n");
  command.child.kill("SIGHUP");
  await command.line((line) => line.includes("API_KEYS_FILE was read again"));
  expect([await ask("old-key"), await ask("new-key")]).toEqual([401, 200]);
  command.child.kill("SIGTERM");
  expect((await command.ended).code).toBe(0);
});

test.each([
  ["API_KEYS", ""],
  ["API_KEYS_FILE", ""],
  ["API_KEYS_FILE", "/no/such/file"],
])("%s=%s refuses the start with one line", async (name, value) => {
  const { code, stdout, stderr } = await runCommand(["serve", "--demo", ...loopback], { variables: { [name]: value } });
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(new RegExp(`^jina-reranker: ${name}: [^\\n]*\\n$`));
});
