/**
 * Runs the fuzz tests for a given time: `node test/fuzz/run.mjs --seconds 600 --seed 7`. `npm test` runs the same tests for a few
 * seconds.
 */

import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { seconds: { type: "string", default: "60" }, seed: { type: "string", default: "1" } } });
for (const [name, value] of Object.entries(values)) {
  if (!/^\d+$/.test(value)) throw new Error(`--${name}: expected a whole number, got ${JSON.stringify(value)}`);
}
const { status } = spawnSync("npx", ["vitest", "run", "test/fuzz/fuzz.test.ts"], {
  stdio: "inherit",
  env: { ...process.env, FUZZ_SECONDS: values.seconds, FUZZ_SEED: values.seed },
});
process.exit(status ?? 1);
