/**
 * The projects of vitest. A file's name or folder says which one it is in: `.pure.test.ts` anywhere, then the folders of
 * `packaging` and `deploy`; all others are in `engine`.
 */
export const projects = [
  {
    name: "pure",
    what: "functions alone: no engine, no process, no port",
    include: ["test/**/*.pure.test.ts"],
    setupFiles: ["test/support/pure-only.ts"],
  },
  {
    name: "engine",
    what: "library, server, command line",
    include: ["test/**/*.test.ts"],
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
