/**
 * Writes what files take from the tables of the code: the settings into docs/settings.md, the compose file and the schema of the
 * chart's values, the errors into docs/http.md; what the benchmark measured of states into docs/known-documents.md; and the
 * estimates for a card into docs/gpus.md. It reads the built code: run `npm run build` first.
 *
 *     node docs/generate.mjs                 writes them all
 *     node docs/generate.mjs --print FILE    prints a file as it would be written
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Compose or the image sets these. KEEP_ALIVE_ON_FAILURE would keep a container up that should be restarted. */
const notInCompose = ["PORT", "HOST", "HF_HOME", "HF_HUB_CACHE", "KEEP_ALIVE_ON_FAILURE"];
/** The chart sets these itself, from values of its own or from secrets. */
const notInChart = ["PORT", "HF_HOME", "HF_HUB_CACHE", "HF_TOKEN", "API_KEYS", "API_KEYS_FILE", "GPUS", "KEEP_ALIVE_ON_FAILURE"];

const generated = {
  "docs/settings.md": async (text) => between(text, "<!-- settings:begin -->\n", "<!-- settings:end -->", await settingsTable()),
  "docs/http.md": async (text) => between(text, "<!-- errors:begin -->\n", "<!-- errors:end -->", await errorsTable()),
  "docs/gpus.md": async (text) => between(text, "<!-- estimates:begin -->\n", "<!-- estimates:end -->", await gpuEstimates()),
  "docs/known-documents.md": async (text) => between(text, "<!-- costs:begin -->\n", "<!-- costs:end -->", await costsTable()),
  "deploy/compose.yaml": async (text) => {
    const lines = (await variables(notInCompose)).map((name) => `    ${name}:\n`);
    return between(text, "    # settings:begin\n", "    # settings:end", lines.join(""));
  },
  "deploy/helm/jina-reranker/values.schema.json": async (text) => {
    const schema = JSON.parse(text);
    const { settings } = schema.properties;
    const setting = { $ref: "#/definitions/setting" };
    // HOST has a narrower schema.
    const properties = (await variables(notInChart)).map((name) => [name, name === "HOST" ? settings.properties.HOST : setting]);
    settings.properties = Object.fromEntries(properties);
    return formatted(schema);
  },
};

async function gpuEstimates() {
  const { estimatesTable, h100 } = await import("../bench/gpu/estimates.mjs");
  return estimatesTable(h100);
}

async function settingsTable() {
  const { settings } = await import("../dist/settings/table.js");
  const rows = Object.values(settings).map((row) => [
    row.environment,
    `\`${row.flag}\``,
    row.defaultText ?? String(row.default ?? "–"),
    row.kind.allowed,
    row.help,
  ]);
  return table([["variable", "flag", "default", "allowed", "meaning"], ...rows]);
}

async function errorsTable() {
  const { errorTable } = await import("../dist/errors.js");
  const rows = Object.entries(errorTable).map(([code, { status, only, when }]) => [
    String(status),
    code,
    only === undefined ? when : when.replace(/\.$/, ` (${only} only).`),
  ]);
  return table([["status", "code", "when"], ...rows]);
}

/** From the benchmark's trial `states`. */
async function costsTable() {
  const { stateSeconds } = await import("../bench/rows.mjs");
  const { machine, trials } = JSON.parse(readFileSync(join(root, "bench", "results", "full.json"), "utf8"));
  const { result, machine: own = machine } = trials["full/states"];
  const rows = result.sets.map((set) => {
    const { computed, disk } = stateSeconds(set);
    const milliseconds = 1000 * disk;
    return [
      String(set.documentTokens),
      `${(set.bytes / 1e6).toFixed(1)} MB`,
      `${computed.toFixed(2)} s`,
      `${milliseconds < 1 ? "less than 1" : milliseconds.toFixed(0)} ms`,
    ];
  });
  const head = ["tokens of a document", "its file", "computing it", "reading it"];
  return `The full model in Q4_K_M on ${own.cores} cores (${own.cpu}), for each document of a request:\n\n${table([head, ...rows])}`;
}

async function variables(without) {
  const { settings } = await import("../dist/settings/table.js");
  return Object.values(settings).flatMap(({ environment }) => (without.includes(environment) ? [] : [environment]));
}

function table([header, ...body]) {
  const line = (cells) => `| ${cells.join(" | ")} |\n`;
  return [line(header), `|${"---|".repeat(header.length)}\n`, ...body.map(line)].join("");
}

/** The text with `content` between the lines that begin and end it. */
function between(text, begin, end, content) {
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`there is no ${end.trim()} after ${begin.trim()}`);
  return `${text.slice(0, from + begin.length)}${content}${text.slice(to)}`;
}

/** JSON with lists of plain values on one line, as the formatter wants it. */
function formatted(value) {
  const text = JSON.stringify(value, null, 2);
  return `${text.replace(/\[\n\s+([^[\]{}]+?)\n\s+\]/g, (_, items) => `[${items.replace(/\n\s+/g, " ")}]`)}\n`;
}

/** The file with what it takes from the code made anew. */
async function anew(file) {
  if (!Object.hasOwn(generated, file)) throw new Error(`${file}: expected one of ${Object.keys(generated).join(", ")}`);
  return generated[file](readFileSync(join(root, file), "utf8"));
}

const { values } = parseArgs({ options: { print: { type: "string" } } });
if (values.print !== undefined) process.stdout.write(await anew(values.print));
else for (const file of Object.keys(generated)) writeFileSync(join(root, file), await anew(file));
