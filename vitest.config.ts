import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // Real models are written and loaded, real servers started: slow on a busy machine, and never a reason to fail.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000,
    // A process a file: the addon keeps process-wide state, and one that aborts must not take other files with it.
    pool: "forks",
    maxWorkers: 2,
  },
});
