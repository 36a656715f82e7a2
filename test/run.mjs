/**
 * Every check, in order: what `npm test` does once everything is set up. Runs all of them even when one fails, then says
 * what each did.
 *
 *     node test/run.mjs [--nightly] [STEP…]        types, style, format, lint, ctest, and vitest's projects; default: all
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { format } from "../native/format.mjs";
import { lint } from "../native/lint.mjs";
import { projects } from "./projects.mjs";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const bin = (path) => [process.execPath, join(root, "node_modules", path)];

/** Runs a command with its output shown as it comes; the output of `capture`d ones is returned as well. */
function run([command, ...args], { capture = false, variables = {} } = {}) {
  return new Promise((done) => {
    let text = "";
    const env = { ...process.env, ...variables };
    const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", capture ? "pipe" : "inherit", "inherit"] });
    child.stdout?.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
      process.stdout.write(chunk);
    });
    child.on("error", (error) => {
      process.stderr.write(`${command} could not be started: ${error.message}\n`);
      done({ ok: false, text });
    });
    child.on("close", (status) => done({ ok: status === 0, text }));
  });
}

const one = (ok) => ({ passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 });
const oneOf = (outcome) => (outcome === "not run" ? { passed: 0, failed: 0, skipped: 1 } : one(outcome === "passed"));
/** A runner that failed without a failed test (a file that does not load, a crash) counts as one failure. */
const counted = (ok, passed, failed, skipped = 0) => ({ passed, failed: ok ? failed : Math.max(failed, 1), skipped });

/** What the failed tests of vitest's report are called, each with the first line of what it says. */
const failures = ({ testResults }) =>
  testResults.flatMap(({ name, assertionResults }) =>
    assertionResults
      .filter(({ status }) => status === "failed")
      .map(({ fullName, failureMessages: [message = ""] }) => `${relative(root, name)}: ${fullName}: ${message.split("\n", 1)}`),
  );

async function types() {
  const tsc = [...bin("typescript/bin/tsc"), "--noEmit"];
  const projects = ["tsconfig.json", "src/server/playground/page/tsconfig.json"];
  const outcomes = [];
  for (const project of projects) outcomes.push((await run([...tsc, "-p", project])).ok);
  const passed = outcomes.filter(Boolean).length;
  return { passed, failed: outcomes.length - passed, skipped: 0 };
}

async function engineTests() {
  const { ok, text } = await run(["ctest", "--test-dir", "build", "--output-on-failure", "--no-tests=error"], { capture: true });
  const [, failed = 0, total = 0] = (text.match(/(\d+) tests? failed out of (\d+)/) ?? []).map(Number);
  return counted(ok, total - failed, failed);
}

/** `files` of the project; default: all. */
async function vitest(project, { files = [], variables = {} } = {}) {
  const directory = mkdtempSync(join(tmpdir(), "jina-reranker-test-"));
  const report = join(directory, "vitest.json");
  try {
    const reports = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
    const { ok } = await run([...bin("vitest/vitest.mjs"), "run", "--project", project, ...reports, ...files], { variables });
    let result = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, testResults: [] };
    try {
      result = JSON.parse(readFileSync(report, "utf8"));
    } catch {
      // It ended before there was a report, which `ok` says.
    }
    const { numPassedTests, numFailedTests, numPendingTests } = result;
    return { ...counted(ok, numPassedTests, numFailedTests, numPendingTests), failures: failures(result) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Tests that load, score, cancel and end, on the addon that ends the process when a JavaScript value is used off its thread. */
const threads = () =>
  vitest("engine", {
    files: ["native/binding", "native/native-errors", "engine/process"].map((name) => `test/${name}.test.ts`),
    variables: { JINA_RERANKER_NATIVE: join(root, "build", "checked") },
  });

/** The service's own tests with the model on the Vulkan backend's software device, which takes a minute to compile its kernels. */
const vulkan = async () => {
  if (!existsSync(join(root, "build", "packages", `${process.platform}-${process.arch}-vulkan`))) {
    log("not run: node native/prebuild/build.mjs linux-x64-vulkan builds the backend");
    return oneOf("not run");
  }
  return vitest("service", {
    files: ["server/server", "server/documents", "server/images", "server/metrics", "wire/dialects"].map(
      (name) => `test/${name}.test.ts`,
    ),
    variables: { JINA_RERANKER_TEST_DEVICE: "vulkan" },
  });
};

const log = (line) => process.stdout.write(`${line}\n`);

const steps = [
  { name: "types", what: "tsc --noEmit, for Node and for the browser", run: types },
  {
    name: "style",
    what: "biome check",
    run: async () => one((await run([...bin("@biomejs/biome/bin/biome"), "check", "."])).ok),
  },
  { name: "format", what: "clang-format over our C++", run: async () => oneOf(format({ log })) },
  { name: "lint", what: "clang-tidy over our C++", run: async () => oneOf(await lint({ log, thorough: nightly })) },
  { name: "ctest", what: "C++ engine tests, plain and with sanitizers", run: engineTests },
  { name: "vulkan", what: "vitest: the service with its model on a Vulkan device", run: vulkan, atNight: true },
  { name: "threads", what: "vitest: the addon with checks of its threads", run: threads },
  ...projects.map(({ name, what }) => ({ name, what: `vitest: ${what}`, run: () => vitest(name) })),
];

const asked = process.argv.slice(2).filter((argument) => argument !== "--nightly");
// Where `npm test` makes a sample of what takes long, everything: test/support/nightly.ts.
const nightly = asked.length < process.argv.length - 2;
if (nightly) process.env.NIGHTLY = "true";
const unknown = asked.find((name) => !steps.some((step) => step.name === name));
if (unknown !== undefined) {
  process.stderr.write(`${unknown}: no such step; there are ${steps.map(({ name }) => name).join(", ")}\n`);
  process.exit(2);
}

const results = [];
const wanted = ({ name, atNight }) => (asked.length === 0 ? nightly || !atNight : asked.includes(name));
for (const step of steps.filter(wanted)) {
  log(`\n== ${step.name}: ${step.what}`);
  const started = performance.now();
  const result = await step.run();
  results.push({ ...step, ...result, seconds: (performance.now() - started) / 1000 });
}

log("\n== summary");
for (const { name, passed, failed, skipped, seconds } of results) {
  const parts = [`${passed} passed`, ...(failed > 0 ? [`${failed} failed`] : []), ...(skipped > 0 ? [`${skipped} not run`] : [])];
  log(`${name.padEnd(10)} ${parts.join(", ")} (${seconds.toFixed(1)} s)`);
}
// Again at the end, because a log of thousands of lines is often kept by its end only.
for (const { name, failures = [] } of results) for (const failure of failures) log(`${name}: ${failure}`);
const total = (key) => results.reduce((sum, result) => sum + result[key], 0);
log(`\n${total("passed")} passed, ${total("failed")} failed`);
process.exitCode = total("failed") > 0 ? 1 : 0;
