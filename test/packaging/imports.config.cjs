/** The folders of src that each folder may import from, as a table, and dependency-cruiser's rules made from it. */

const library = [
  "errors",
  "types",
  "settings",
  "retries",
  "files",
  "images",
  "native",
  "gguf",
  "model",
  "vision",
  "demo",
  "load",
  "engine",
  "precision",
  "passages",
  "requests",
  "reranker",
  "estimate",
  "index",
];

/**
 * Every folder may also import from itself and binding.d.ts. A line names only lines above it, so no folders import one another
 * in a circle.
 */
const mayImport = {
  errors: [],
  types: [],
  retries: [],
  files: ["errors"],
  images: ["errors", "files"],
  settings: ["errors", "types", "images"],
  native: ["errors", "files", "settings"],
  gguf: [],
  model: ["errors", "types", "settings", "files", "retries"],
  vision: ["errors", "types", "files", "gguf", "model"],
  demo: ["files", "gguf", "model"],
  load: ["errors", "types", "settings", "native", "model", "vision", "demo"],
  engine: ["errors", "types", "settings", "native", "images"],
  precision: ["errors", "types", "files", "native", "model", "engine"],
  passages: ["errors", "types", "images", "engine"],
  requests: ["errors", "types", "images", "engine", "passages"],
  reranker: ["errors", "types", "settings", "images", "native", "model", "load", "engine", "precision", "passages", "requests"],
  estimate: ["errors", "types", "settings", "native", "model", "engine", "precision"],
  index: ["errors", "types", "engine", "reranker", "estimate"],
  client: ["errors", "types", "retries"],
  wire: ["errors", "types", "engine", "passages"],
  server: [...library, "wire"],
  cli: [...library, "wire", "server"],
  commonjs: [...library, "client", "server"],
};

const above = new Set();
for (const [folder, allowed] of Object.entries(mayImport)) {
  const below = allowed.filter((name) => !above.has(name));
  if (below.length > 0) throw new Error(`${folder} must stand below ${below.join(", ")}: the table has no circle`);
  above.add(folder);
}

/** @param {readonly string[]} names */
const lieIn = (names) => `^src/(${names.join("|")})(/|\\.)`;

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    { name: "no circle, of types neither", severity: "error", from: {}, to: { circular: true } },
    {
      name: "nothing that nobody imports",
      severity: "error",
      from: { orphan: true, pathNot: "^binding\\.d\\.ts$" },
      to: {},
    },
    {
      name: "every folder is in the table",
      severity: "error",
      from: { path: "^src/", pathNot: lieIn(Object.keys(mayImport)) },
      to: {},
    },
    ...Object.entries(mayImport).map(([folder, allowed]) => ({
      name: `${folder} imports only ${allowed.join(", ") || "itself"}`,
      severity: /** @type {const} */ ("error"),
      from: { path: lieIn([folder]) },
      to: { path: "^src/", pathNot: lieIn([folder, ...allowed]) },
    })),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^src/server/playground/page/" },
    enhancedResolveOptions: { extensions: [".ts", ".d.ts", ".cts", ".js", ".mjs"] },
  },
};
