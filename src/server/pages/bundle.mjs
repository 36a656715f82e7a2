/**
 * Bundles the service's pages: the playground into dist/playground/, the API reference into dist/reference/. Each gets its
 * index.html, and assets/ with names that hold a hash of their contents, most of them as gzip only.
 *
 *     node src/server/pages/bundle.mjs [--sizes]
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, parse, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const server = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const root = resolve(server, "../..");
const built = join(root, "dist");
const compressible = /\.(js|css|svg)$/;

export const pages = {
  playground: ["main.tsx", "playground.css", "icon.svg"],
  reference: ["main.mjs", "reference.css", "../../playground/page/icon.svg"],
};

for (const [name, sources] of Object.entries(pages)) await bundlePage(name, sources);
writePlaygroundWithoutDocs();

async function bundlePage(name, sources) {
  const page = join(server, name, "page");
  const out = join(built, name);
  const assets = join(out, "assets");
  rmSync(out, { recursive: true, force: true });
  mkdirSync(assets, { recursive: true });

  const { metafile } = await build({
    absWorkingDir: root,
    entryPoints: sources.map((source) => ({ in: join(page, source), out: parse(source).name })),
    outdir: assets,
    entryNames: "[name]-[hash]",
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".svg": "copy" },
    banner: { js: "/* What is in it of others: licenses.txt */" },
    metafile: true,
    logLevel: "warning",
  });
  writeFileSync(join(assets, "licenses.txt"), licenses(Object.keys(metafile.inputs)));

  let html = readFileSync(join(page, "index.html"), "utf8");
  for (const [path, { entryPoint }] of Object.entries(metafile.outputs)) {
    if (!entryPoint) continue;
    const placeholder = `{{${basename(entryPoint)}}}`;
    if (!html.includes(placeholder)) throw new Error(`${name}: index.html does not mention ${placeholder}`);
    html = html.replaceAll(placeholder, `assets/${basename(path)}`);
  }
  const [leftOver] = html.match(/\{\{.*?\}\}/) ?? [];
  if (leftOver) throw new Error(`${name}: index.html mentions ${leftOver}, which is not bundled`);
  writeFileSync(join(out, "index.html"), html);
  compress(assets);
}

function compress(assets) {
  for (const name of readdirSync(assets).filter((file) => compressible.test(file))) {
    const path = join(assets, name);
    const content = readFileSync(path);
    const compressed = gzipSync(content, { level: 9 });
    writeFileSync(`${path}.gz`, compressed);
    rmSync(path);
    if (process.argv.includes("--sizes")) {
      process.stdout.write(`${relative(built, path)}: ${content.length} bytes, ${compressed.length} gzipped\n`);
    }
  }
}

/** For a service without the API reference: then there is nothing to link to. */
function writePlaygroundWithoutDocs() {
  const html = readFileSync(join(built, "playground", "index.html"), "utf8");
  const docsLink = ' data-docs="docs"';
  if (!html.includes(docsLink)) throw new Error(`index.html has no${docsLink}`);
  writeFileSync(join(built, "playground", "index-without-docs.html"), html.replace(docsLink, ""));
}

/** Name, version and licence texts of the npm packages that these files are of. */
function licenses(inputs) {
  const packages = new Set(inputs.flatMap((path) => path.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0] ?? []));
  const texts = [...packages].sort().map((path) => {
    const folder = join(root, path);
    const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const bundled = inputs.filter((input) => input.startsWith(path)).map((input) => `${basename(input)}.LICENSE.txt`);
    const files = readdirSync(folder).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file) || bundled.includes(file));
    if (files.length === 0) throw new Error(`${name} is bundled and brings no licence`);
    return [`${name} ${version}, ${license}`, ...files.map((file) => readFileSync(join(folder, file), "utf8").trim())].join(
      "\n\n",
    );
  });
  return `${texts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
