/** The options of the plugin: what a program may set, checked against the table of settings, defaults filled in. */

import { kindOf, RerankError } from "../errors.js";
import { nameOf } from "../load.js";
import { nearest } from "../settings/nearest.js";
import { type Setting, settings } from "../settings/table.js";
import type { Extras } from "./app.js";
import { type CommonSettings, commonSettings, type ServerOptions, serverOptions } from "./options.js";
import type { RerankServerModel, RerankServerOptions } from "./types.js";

export interface ResolvedPlugin {
  readonly model: RerankServerModel;
  readonly extras: Extras;
  readonly server: ServerOptions;
}

const extraNames = ["playground", "docs", "metrics"] as const;
const ownNames: readonly string[] = [...commonSettings, ...extraNames, "reranker", "load", "modelName"];
/** Options of Fastify's own `register`. */
const registerNames: readonly string[] = ["prefix", "logLevel", "logSerializers"];

/** Throws invalid_option, naming the option, what was expected and what came; never a key. */
export function resolvePlugin(given: RerankServerOptions): ResolvedPlugin {
  refuseUnknown(Object.keys(given));
  const { reranker, load, modelName } = given;
  if ((reranker === undefined) === (load === undefined)) {
    const got = reranker === undefined ? "neither" : "both";
    throw new RerankError("invalid_option", `reranker: expected a loaded one, or load with its options, got ${got}`);
  }
  if (modelName !== undefined && (typeof modelName !== "string" || modelName === "")) {
    throw wrong("modelName", "a name", modelName);
  }
  const name = modelName ?? (given.load === undefined ? "jina-reranker" : nameOf(given.load));
  return { model: given, extras: extrasOf(given), server: serverOptions(name, settingsOf(given)) };
}

function extrasOf(given: Partial<Extras>): Extras {
  const [playground = true, docs = true, metrics = true] = extraNames.map((name) => {
    const value = given[name];
    if (value !== undefined && typeof value !== "boolean") throw wrong(name, "true or false", value);
    return value;
  });
  return { playground, docs, metrics };
}

function settingsOf(given: Partial<CommonSettings>): CommonSettings {
  const values = commonSettings.map((name) => {
    const row: Setting<unknown> = settings[name];
    const value = given[name];
    if (value === undefined) return [name, row.default];
    if (!row.kind.accepts(value)) throw wrong(name, row.kind.allowed, value);
    return [name, value];
  });
  // fromEntries forgets which value belongs to which name; the rows above are what ties them together.
  return Object.fromEntries(values) as CommonSettings;
}

function wrong(name: string, expected: string, value: unknown): RerankError {
  return new RerankError("invalid_option", `${name}: expected ${expected}, got ${kindOf(value)}`);
}

/** A misspelt `apiKeys` would leave the service open. */
function refuseUnknown(names: readonly string[]): void {
  const unknown = names.find((name) => !ownNames.includes(name) && !registerNames.includes(name));
  if (unknown === undefined) return;
  throw new RerankError("invalid_option", `${unknown}: no such option; the nearest is ${nearest(unknown, ownNames)}`);
}
