/** The options of the plugin: what a program may set, checked against the table of settings, defaults filled in. */

import { kindOf, RerankError } from "../errors.js";
import { nameOf } from "../load.js";
import { checkLoadOptions } from "../settings/load-options.js";
import { namedModel } from "../settings/named-model.js";
import { nearest } from "../settings/nearest.js";
import type { Setting } from "../settings/setting.js";
import { type RouteSettings, routeSettings, settings, settingsOf } from "../settings/table.js";
import type { Extras } from "./app.js";
import { type ServerOptions, serverOptions } from "./options.js";
import type { RerankServerModel, RerankServerOptions } from "./types.js";

export interface ResolvedPlugin {
  readonly model: RerankServerModel;
  readonly extras: Extras;
  readonly server: ServerOptions;
}

const extraNames = ["playground", "docs", "metrics"] as const;
const ownNames: readonly string[] = [...routeSettings, ...extraNames, "reranker", "load", "modelName"];
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
  if (load !== undefined) checkLoadOptions(namedModel(load).options);
  const name = modelName ?? (load === undefined ? "jina-reranker" : nameOf(load));
  return { model: given, extras: extrasOf(given), server: serverOptions(name, routeSettingsOf(given)) };
}

function routeSettingsOf(given: Partial<RouteSettings>): RouteSettings {
  return settingsOf(routeSettings, (name) => {
    const row: Setting<unknown> = settings[name];
    const value = given[name];
    if (value === undefined) return row.default;
    // Not the value: it may be a key.
    if (!row.kind.accepts(value)) throw wrong(name, row.kind.allowed, value);
    return value;
  });
}

function extrasOf(given: Partial<Extras>): Extras {
  const [playground = true, docs = true, metrics = true] = extraNames.map((name) => {
    const value = given[name];
    if (value !== undefined && typeof value !== "boolean") throw wrong(name, "true or false", value);
    return value;
  });
  return { playground, docs, metrics };
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
