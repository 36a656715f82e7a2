import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";
import { projects } from "./test/projects.mjs";

const pure = ["**/*.pure.test.ts"];
const elsewhere = projects.filter(({ name }) => name !== "service").flatMap(({ include }) => include);
const excluded: Readonly<Record<string, readonly string[]>> = { pure: [], service: elsewhere };

export default defineConfig({
  // Tests run the sources, of which a process cannot be made: decoders are those of dist/.
  resolve: {
    alias: [{ find: /^\.\/decoder-entry\.js$/, replacement: join(import.meta.dirname, "dist/images/decoder-entry.js") }],
  },
  test: {
    // A loop over a list that is empty asserts nothing, and would pass.
    expect: { requireAssertions: true },
    // Real models are written and loaded, real servers started: slow on a busy machine, and never a reason to fail.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    teardownTimeout: 30_000,
    // A process a file: the addon keeps process-wide state, and one that aborts must not take other files with it.
    pool: "forks",
    projects: projects.map(({ name, include, setupFiles = [], maxWorkers }, groupOrder) => ({
      extends: true,
      test: {
        ...{ name, include, setupFiles, ...(maxWorkers && { maxWorkers }) },
        exclude: [...configDefaults.exclude, ...(excluded[name] ?? pure)],
        // One project after the other.
        sequence: { groupOrder },
      },
    })),
  },
});
