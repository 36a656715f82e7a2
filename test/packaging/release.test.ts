/**
 * Releasing, as far as it goes without publishing: a rehearsal with this checkout's libraries, which installs the tarballs from a
 * local registry, and the checks before a tag. Needs the npm registry, for dependencies and npm itself.
 */

import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Ended, ended } from "../support/command.js";
import { builtLibraries, platform } from "../support/installation.js";

const root = join(import.meta.dirname, "..", "..");
const { version, repository, publishConfig }: Record<string, unknown> = JSON.parse(
  readFileSync(join(root, "package.json"), "utf8"),
);

function run(...args: readonly string[]): Promise<Ended> {
  return ended(spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] }), 840_000);
}

describe("a release", () => {
  it("names the repository in every manifest, which a provenance is checked against", async () => {
    const { stdout } = await run("native/prebuild/targets.mjs", "manifests");
    expect(repository).toMatchObject({ type: "git", url: expect.stringMatching(/^git\+https:.*\.git$/) });
    expect(publishConfig).toEqual({ access: "public", provenance: true });
    for (const manifest of JSON.parse(stdout)) expect(manifest).toMatchObject({ repository, publishConfig });
  });

  it("is refused when the tag is not the version's, and when the changelog lacks it", async () => {
    const { code, stderr } = await run("deploy/release/readiness.mjs", "--tag", "v99.0.0");
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`the tag: expected v${version}, package.json's version, got v99.0.0`),
    ]);
    expect(await run("deploy/release/changelog.mjs", "99.0.0")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("## 99.0.0"),
    });
  });

  it("has the changelog's entry of its version", async () => {
    const { code, stdout } = await run("deploy/release/changelog.mjs");
    expect([code, stdout]).toEqual([0, expect.stringContaining("**Engine.**")]);
  });

  it("is smoke-tested on every platform that has an addon", async () => {
    const { stdout } = await run("deploy/release/smoke.mjs", "--matrix");
    const addons = JSON.parse(readFileSync(join(root, "native", "prebuild", "targets.json"), "utf8"))
      .filter(({ backend }: { backend?: string }) => backend === undefined)
      .map(({ name }: { name: string }) => name);
    expect(JSON.parse(stdout).include.map(({ target }: { target: string }) => target)).toEqual(addons);
  });

  it("is not made from libraries that were built before", async () => {
    const { code, stderr } = await run("deploy/release/release.mjs", "--libraries", builtLibraries);
    expect([code, stderr]).toEqual([1, expect.stringContaining("--libraries: expected --dry-run beside it")]);
  });

  it.skipIf(platform !== "linux-x64")(
    "is rehearsed: packed, installed, ranked, and its packages in order",
    { timeout: 900_000 },
    async () => {
      const { stdout, stderr } = await run("deploy/release/release.mjs", "--dry-run", "--libraries", builtLibraries);
      expect(stdout).toMatch(/^\| npm@11 \|.* linux-x64 .*\| ES module, CommonJS, worker thread, command \|$/m);
      expect(stderr).toContain(`The tag would be v${version}`);
      const [, order = ""] = stderr.split("in this order\n");
      const names = [...order.matchAll(/^(\S+)@\d/gm)].map(([, name]) => name);
      expect(names.at(-1)).toBe("jina-reranker");
      expect(names.slice(0, -1)).toEqual(names.slice(0, -1).sort());
      expect(names).toContain("@jina-reranker/linux-x64");
    },
  );
});
