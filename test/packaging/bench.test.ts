/**
 * The benchmark harness works: its own tests, and a short run with a tiny model and our own drivers. The measured times are not
 * asserted.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

const bench = join(import.meta.dirname, "..", "..", "bench");

interface Measured {
  trials: Record<
    string,
    { result: { sets: { tokens: number; drivers: Record<string, { agrees: boolean; difference: number }> }[] } }
  >;
}

describe("the benchmark harness", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "jina-reranker-bench-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("is JavaScript that Node runs without compiling", () => {
    const scripts = readdirSync(bench, { recursive: true, encoding: "utf8" }).filter(
      (path) => path.endsWith(".mjs") && !/(^|\/)(node_modules|build)\//.test(path),
    );
    expect(scripts).toContain("gpu/parity.mjs");
    const refused = scripts.filter((path) => spawnSync(process.execPath, ["--check", join(bench, path)]).status !== 0);
    expect(refused).toEqual([]);
  });

  it("passes its own tests", () => {
    const tests = ["rows.test.mjs", "gpu/estimates.test.mjs"];
    const { status, stdout } = spawnSync(process.execPath, ["--test", ...tests], { cwd: bench, encoding: "utf8" });
    expect(status, stdout).toBe(0);
  });

  it("runs drivers over the same documents, compares their scores and writes a page", { timeout: 900_000 }, () => {
    const flags = ["--plan", "tiny", "--threads", "1", "--drivers", "file,auto,http", "--out", join(folder, "results")];
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(bench, "main.mjs"), ...flags], {
      encoding: "utf8",
      env: { ...process.env, BENCH_MODELS: join(folder, "models") },
    });
    expect(status, stderr).toBe(0);
    expect(stdout).toContain("| what | at least | measured | met |");

    const measured: Measured = JSON.parse(readFileSync(join(folder, "results", "tiny.json"), "utf8"));
    const [set] = measured.trials["tiny/check"]?.result.sets ?? [];
    // Ten documents of 24 tokens, a query of 12, and the tokens of the prompt.
    expect(set?.tokens).toBeGreaterThan(10 * (24 + 12));
    const drivers = Object.entries(set?.drivers ?? {});
    expect(drivers.map(([name]) => name)).toEqual(["file", "auto", "http"]);
    expect(drivers.filter(([, { agrees }]) => !agrees)).toEqual([]);
    expect(readFileSync(join(folder, "RESULTS.md"), "utf8")).toContain("tiny/check");
  });

  it("refuses an unknown plan", () => {
    const { status, stderr } = spawnSync(process.execPath, [join(bench, "main.mjs"), "--plan", "huge"], { encoding: "utf8" });
    expect(status).toBe(1);
    expect(stderr).toContain("--plan: expected one of full, quick");
  });
});
