/**
 * Two replicas under load behind Debian's haproxy with deploy/haproxy.cfg: a killed one loses the requests that it was working
 * on, a drained one loses none.
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { type RunningCommand, startCommand } from "../support/command.js";
import { type Load, type Outcome, startLoad } from "../support/load.js";
import { mixedDocuments } from "../support/texts.js";
import { event, until } from "../support/until.js";

const haproxy = ["haproxy", "/usr/sbin/haproxy"].find((name) => spawnSync(name, ["-v"]).status === 0);
const missing = "no haproxy here (Debian: apt-get install haproxy)";

const connections = 16;
const documents = mixedDocuments(200, 10, 60, 3);
/** Every tenth body is too large for haproxy to keep and repeat. */
const body = (n: number) => {
  const padding = n % 10 === 0 ? "x".repeat(100_000) : "";
  return JSON.stringify({
    query: `weather ${n}`,
    documents: documents.slice(n % 190, (n % 190) + 4),
    padding,
    return_documents: false,
  });
};

interface Replica {
  readonly command: RunningCommand;
  readonly port: number;
}

const started: ChildProcess[] = [];
afterEach(async () => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

async function startReplica(variables: Readonly<Record<string, string>>): Promise<Replica> {
  const command = startCommand(["serve", "--demo", "--host", "127.0.0.1", "--port", "0", "--n-threads", "1"], variables);
  started.push(command.child);
  const { port }: { port: number } = JSON.parse(await command.line((line) => line.includes('"msg":"ready"')));
  return { command, port };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (typeof address !== "object" || address === null) throw new Error("no free port");
  return address.port;
}

/** Starts haproxy in front of the replicas and resolves when it serves. */
async function startBalancer(replicas: readonly Replica[]): Promise<string> {
  if (haproxy === undefined) throw new Error(missing);
  const port = await freePort();
  const source = await readFile(join(import.meta.dirname, "..", "..", "deploy", "haproxy.cfg"), "utf8");
  const ports = [
    ["bind :8080", `bind 127.0.0.1:${port}`],
    ...replicas.map((one, n) => [`127.0.0.1:${8081 + n}`, `127.0.0.1:${one.port}`]),
    ["timeout check 2s", "timeout check 30s"],
  ];
  const configuration = ports.reduce((text, [documented = "", real = ""]) => {
    expect(text).toContain(documented);
    return text.replace(documented, real);
  }, source);
  const path = join(await mkdtemp(join(tmpdir(), "jina-reranker-haproxy-")), "haproxy.cfg");
  await writeFile(path, configuration);
  const child = spawn(haproxy, ["-db", "-f", path], { stdio: ["ignore", "ignore", "inherit"] });
  started.push(child);
  const url = `http://127.0.0.1:${port}`;
  await until(async () => {
    if (child.exitCode !== null) throw new Error("haproxy ended");
    return fetch(`${url}/ping`).then(
      (answer) => answer.status === 200,
      () => false,
    );
  });
  return url;
}

/** Request id -> status of the scoring requests in a replica's log. */
function log(stdout: string): ReadonlyMap<string, number> {
  const statuses = new Map<string, number>();
  for (const line of stdout.split("\n").filter((text) => text.includes('"route":"/rerank"'))) {
    const { request_id, status }: { request_id: string; status: number } = JSON.parse(line);
    statuses.set(request_id, status);
  }
  return statuses;
}

const answered = ({ outcomes }: Load) => outcomes.filter(({ status }) => status === 200);
const failed = (outcomes: readonly Outcome[]) => outcomes.filter(({ status }) => status !== 200);

/** Waits until `count` requests that started after this call were answered. */
async function untilAnswered(load: Load, count: number): Promise<void> {
  const now = performance.now();
  await until(() => answered(load).filter(({ startedAt }) => startedAt > now).length >= count);
}

// A CI machine without haproxy is misconfigured, so there the tests fail. Elsewhere they are skipped, with the reason as their
// name.
describe.skipIf(haproxy === undefined && !process.env.CI)(
  haproxy === undefined ? `haproxy (${missing})` : "behind haproxy",
  () => {
    test("a replica that is killed under load loses only the requests that it was working on", async () => {
      const [first, second] = [await startReplica({}), await startReplica({})];
      const url = await startBalancer([first, second]);
      const load = startLoad(url, { connections, body, timeoutMs: 60_000 });
      await untilAnswered(load, 100);
      const exit = event(first.command.child, "exit", "the replica");
      first.command.child.kill("SIGKILL");
      // The time of the signal would be too early: the replica's sockets take requests until the kernel has closed them and
      // haproxy has noticed. haproxy still counts the replica as up after that, as it checks its health only twice a second.
      await exit;
      await untilAnswered(load, connections);
      const killedAt = performance.now();
      await untilAnswered(load, 100);
      const outcomes = await load.stop();
      second.command.child.kill("SIGTERM");
      const survivor = log((await second.command.ended).stdout);

      const lost = failed(outcomes);
      expect(lost.filter(({ startedAt }) => startedAt > killedAt)).toEqual([]);
      expect(lost.length).toBeLessThanOrEqual(connections);
      // The lost requests were the killed replica's: the other one saw none of them, and answered all that it saw.
      expect(lost.filter(({ id }) => survivor.has(id))).toEqual([]);
      expect([...survivor].filter(([, status]) => status !== 200)).toEqual([]);
      // 502 is haproxy's own answer; undefined is a connection that closed while the client was sending.
      for (const { status } of lost) expect([502, undefined]).toContain(status);
    });

    test("a replica that is drained under load loses no request, not even large ones, and exits with 0", async () => {
      const [first, second] = [await startReplica({ DRAIN_DELAY_MS: "10000" }), await startReplica({})];
      const url = await startBalancer([first, second]);
      const load = startLoad(url, { connections, body, timeoutMs: 60_000 });
      await untilAnswered(load, 100);
      first.command.child.kill("SIGTERM");
      const { code, stdout, stderr } = await first.command.ended;
      await untilAnswered(load, 100);
      const outcomes = await load.stop();
      expect([code, stderr]).toEqual([0, ""]);
      expect(failed(outcomes)).toEqual([]);
      expect(log(stdout).size).toBeGreaterThan(0);
      // haproxy had stopped sending to it before it stopped taking requests.
      expect([...log(stdout).values()].filter((status) => status !== 200)).toEqual([]);
      second.command.child.kill("SIGTERM");
      await second.command.ended;
    });

    test("haproxy's own errors have the service's shape, and it hides the metrics", async () => {
      const only = await startReplica({});
      const url = await startBalancer([only, only]);
      // fetch would normalise some of these paths.
      const hidden = [
        "/metrics",
        "/%6detrics",
        "/%6D%65trics",
        "//metrics",
        "/metrics/",
        "/metrics?a",
        "/x/../metrics",
        "/METRICS",
      ];
      for (const path of hidden) {
        const [answer] = await event(request(`${url}/`, { path }).end(), "response", path);
        let text = "";
        for await (const chunk of answer.setEncoding("utf8")) text += chunk;
        expect([path, answer.statusCode, text.includes("rerank_requests_total")]).toEqual([path, 404, false]);
      }
      only.command.child.kill("SIGKILL");
      await only.command.ended;
      const answer = await fetch(`${url}/rerank`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: body(1),
      });
      expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "2"]);
      expect(await answer.json()).toMatchObject({ error: { code: "overloaded" }, detail: expect.any(String) });
    });

    test("the work of a client that leaves is dropped, also behind haproxy", async () => {
      const only = await startReplica({});
      const url = await startBalancer([only, only]);
      const headers = { "content-type": "application/json", "x-request-id": "leaver" };
      const sent = request(`${url}/rerank`, { method: "POST", headers }).on("error", () => {});
      sent.end(JSON.stringify({ query: "weather", documents: mixedDocuments(100, 2000, 3000, 4) }));
      const queued = async () => {
        const text = await (await fetch(`http://127.0.0.1:${only.port}/metrics`)).text();
        return Number(text.match(/^rerank_queue_pairs (\d+)$/m)?.[1]);
      };
      await until(async () => (await queued()) > 0);
      sent.destroy();
      expect(await only.command.line((line) => line.includes('"leaver"'))).toContain('"status":499');
      await until(async () => (await queued()) === 0);
    });
  },
);
