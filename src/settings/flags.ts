/** Makes a command's flags from the table of settings, and reads them through it. */

import { type Command, Option } from "commander";
import { variablesBeside } from "./model-choice.js";
import { readSettings } from "./read.js";
import type { Setting } from "./setting.js";
import { type SettingName, type Settings, settings } from "./table.js";

/** Adds a flag for each setting and gives a reader of them: flag, else variable, else default. */
export function addFlags<const Name extends SettingName>(command: Command, names: readonly Name[]): () => Pick<Settings, Name> {
  const options = names.map((name) => ({ name, option: flagOption(settings[name]) }));
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

function flagOption({ kind, flag, help, environment, default: value, defaultText }: Setting<unknown>): Option {
  const shown = defaultText ?? value;
  const notes = [`env ${environment}`, ...(shown === undefined ? [] : [`default ${shown}`])];
  return new Option(kind.placeholder ? `${flag} ${kind.placeholder}` : flag, `${help} (${notes.join(", ")})`);
}
