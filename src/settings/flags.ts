/** Flags made from the table of settings, and read through it. */

import { type Command, Option } from "commander";
import { hubSettings, variablesBeside } from "./model-choice.js";
import { readSettings, type SettingName, type Settings, settings } from "./table.js";

export const modelSettings = [
  "modelPath",
  "headPath",
  "demo",
  ...hubSettings,
  "contextSize",
  "backend",
  "gpuLayers",
  "gpus",
  "threads",
  "batchTokens",
  "precision",
  "reproducible",
  "kvType",
  "maxQueuedPairs",
  "documentCacheMb",
  "scoreCacheMb",
  "deduplicate",
] as const satisfies readonly SettingName[];
export type ModelSettings = Pick<Settings, (typeof modelSettings)[number]>;

export const serverSettings = [
  ...modelSettings,
  "maxDocuments",
  "port",
  "host",
  "requestTimeoutMs",
  "bodyLimitMb",
  "bodiesLimitMb",
  "maxEventLoopDelayMs",
  "maxRssMb",
  "drainDelayMs",
  "apiKeys",
  "apiKeysFile",
  "corsOrigins",
  "otelEndpoint",
  "otelTracesEndpoint",
  "otelProtocol",
  "otelTracesProtocol",
  "keepAliveOnFailure",
  "logLevel",
  "logFormat",
] as const satisfies readonly SettingName[];
export type ServerSettings = Pick<Settings, (typeof serverSettings)[number]>;

/** Adds a flag for each setting and gives a reader of them: flag, else variable, else default. */
export function addFlags<const Name extends SettingName>(command: Command, names: readonly Name[]): () => Pick<Settings, Name> {
  const options = names.map((name) => ({ name, option: flagOption(name) }));
  for (const { option } of options) command.addOption(option);
  return () => {
    const given: Record<string, unknown> = command.opts();
    const flags: Partial<Record<SettingName, string>> = {};
    for (const { name, option } of options) {
      const value = given[option.attributeName()];
      if (value !== undefined) flags[name] = String(value);
    }
    return readSettings(names, flags, variablesBeside(flags, process.env));
  };
}

function flagOption(name: SettingName): Option {
  const { kind, flag, help, environment, default: value, ...row } = settings[name];
  const defaultText = "defaultText" in row ? row.defaultText : value;
  const notes = [`env ${environment}`, ...(defaultText === undefined ? [] : [`default ${defaultText}`])];
  return new Option(kind.placeholder ? `${flag} ${kind.placeholder}` : flag, `${help} (${notes.join(", ")})`);
}
