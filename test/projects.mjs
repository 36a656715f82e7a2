/**
 * The projects of vitest. A file's name or folder says which one it is in: `.pure.test.ts` anywhere, then the folders of
 * `engine`, `packaging` and `deploy`; all others are in `service`.
 */
import { availableParallelism } from "node:os";

export const projects = [
  {
    name: "pure",
    what: "functions alone: no engine, no process, no port",
    include: ["test/**/*.pure.test.ts"],
    setupFiles: ["test/support/pure-only.ts"],
  },
  {
    name: "service",
    what: "server, command line, hub, images, demo",
    include: ["test/**/*.test.ts"],
    setupFiles: ["test/support/own-core.ts"],
    maxWorkers: availableParallelism(),
  },
  {
    name: "engine",
    what: "engines with all cores, and the native tests",
    include: ["test/{engine,native}/**/*.test.ts"],
    // Two engines on the same cores take up to fifty times as long as one after the other: ggml's threads spin while they
    // wait for each other.
    maxWorkers: 1,
  },
  {
    name: "packaging",
    what: "the package, its types and its pages",
    include: ["test/{packaging,docs}/**/*.test.ts"],
    maxWorkers: 1,
  },
  {
    name: "deploy",
    what: "images, chart, replicas, and clients end to end",
    include: ["test/{deploy,end-to-end}/**/*.test.ts"],
    maxWorkers: 1,
  },
];
