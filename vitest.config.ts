import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // A loop over a list that is empty asserts nothing, and would pass.
    expect: { requireAssertions: true },
    // Real models are written and loaded, real servers started: slow on a busy machine, and never a reason to fail.
    testTimeout: 300_000,
    hookTimeout: 300_000,
    teardownTimeout: 30_000,
    // A process a file: the addon keeps process-wide state, and one that aborts must not take other files with it.
    pool: "forks",
    // One at a time: ggml's threads wait for each other by spinning, so two engines on the same cores take up to fifty
    // times as long as one after the other.
    maxWorkers: 1,
  },
});
