/**
 * Writes the table of settings into docs/settings.md and the table of errors into docs/http.md, from the built code. Run
 * `npm run build` first.
 *
 *     node docs/generate.mjs                 writes both
 *     node docs/generate.mjs --print PAGE    prints a page as it would be written
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));

function table([header, ...body]) {
  const line = (cells) => `| ${cells.join(" | ")} |`;
  return [line(header), `|${"---|".repeat(header.length)}`, ...body.map(line)].join("\n");
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

const generated = {
  "settings.md": { name: "settings", make: settingsTable },
  "http.md": { name: "errors", make: errorsTable },
};

/** The page's text with a new table. */
async function pageAnew(page) {
  if (!Object.hasOwn(generated, page)) throw new Error(`${page}: expected one of ${Object.keys(generated).join(", ")}`);
  const { name, make } = generated[page];
  const markers = new RegExp(`(<!-- ${name}:begin -->\n)[^]*?(<!-- ${name}:end -->)`);
  const text = readFileSync(join(here, page), "utf8");
  if (!markers.test(text)) throw new Error(`docs/${page} has no markers ${name}:begin and ${name}:end`);
  const made = await make();
  return text.replace(markers, (_, begin, end) => `${begin}${made}\n${end}`);
}

const { values } = parseArgs({ options: { print: { type: "string" } } });
if (values.print !== undefined) process.stdout.write(await pageAnew(values.print));
else for (const page of Object.keys(generated)) writeFileSync(join(here, page), await pageAnew(page));
