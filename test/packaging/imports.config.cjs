/** The folders of src that each folder may import from, as a table, and dependency-cruiser's rules made from it. */

const library = [
  "errors",
  "types",
  "settings",
  "files",
  "native",
  "model",
  "precision",
  "demo",
  "engine",
  "reranker",
  "load",
  "index",
];

/** Every folder may also import from itself and binding.d.ts. */
const mayImport = {
  errors: [],
  types: ["precision"],
  settings: ["errors", "types"],
  files: ["errors"],
  native: ["errors", "files", "settings"],
  model: ["errors", "files", "settings"],
  precision: ["errors", "files", "model", "native", "engine"],
  demo: ["files", "model"],
  engine: ["errors", "types", "settings", "native"],
  reranker: ["errors", "types", "settings", "native", "model", "precision", "engine", "load"],
  load: ["errors", "types", "settings", "native", "model", "demo"],
  index: library,
  client: ["errors", "types"],
  wire: ["errors", "types"],
  server: [...library, "wire"],
  cli: [...library, "wire", "server"],
  commonjs: [...library, "client"],
};

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
