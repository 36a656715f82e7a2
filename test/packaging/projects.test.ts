/** Which project of vitest each test file is in: test/projects.mjs says it by folders and names. */

import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "..", "..");
const run = promisify(execFile);

interface Listed {
  readonly file: string;
  readonly projectName: string;
}

function expectedProject(file: string): string {
  if (file.endsWith(".pure.test.ts")) return "pure";
  const [, folder = ""] = file.split("/");
  const folders: Readonly<Record<string, string>> = {
    ...{ engine: "engine", native: "engine", packaging: "packaging", docs: "packaging" },
    ...{ deploy: "deploy", "end-to-end": "deploy" },
  };
  return folders[folder] ?? "service";
}

test("each test file is in one project, the one that its name or folder says", async () => {
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const { stdout } = await run(process.execPath, [vitest, "list", "--filesOnly", "--json"], { cwd: root });
  const listed: readonly Listed[] = JSON.parse(stdout);
  const found = listed.map(({ file, projectName }) => [relative(root, file).split(sep).join("/"), projectName]);
  const files = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .map((file) => `test/${file.split(sep).join("/")}`)
    .filter((file) => file.endsWith(".test.ts") && !file.includes("/node_modules/"));
  expect(found.sort()).toEqual(files.map((file) => [file, expectedProject(file)]).sort());
});
