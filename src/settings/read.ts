/** Reads settings from flags and variables. */

import { RerankError } from "../errors.js";
import type { Setting } from "./setting.js";
import { type SettingName, type Settings, settings, settingsOf } from "./table.js";

/** A flag wins over its variable. Throws invalid_option at the first value that does not parse. */
export function readSettings<const Name extends SettingName>(
  names: readonly Name[],
  flags: Readonly<Partial<Record<SettingName, string>>>,
  environment: Readonly<Record<string, string | undefined>>,
): Pick<Settings, Name> {
  return settingsOf(names, (name) => read(settings[name], flags[name], environment));
}

function read(
  row: Setting<unknown>,
  flag: string | undefined,
  environment: Readonly<Record<string, string | undefined>>,
): unknown {
  if (flag !== undefined) return parse(row, row.flag, flag);
  const variable = environment[row.environment];
  if (variable === "" && row.emptyRefused) {
    const what = `${row.environment}: expected ${row.kind.allowed}, got an empty value`;
    throw new RerankError("invalid_option", `${what}; unset it when there is none to be`);
  }
  return variable === undefined || variable === "" ? row.default : parse(row, row.environment, variable);
}

function parse(row: Setting<unknown>, source: string, given: string): unknown {
  const value = row.kind.parse(given);
  if (value !== undefined) return value;
  // An address may hold a password.
  const got = row.secret ? "something else" : JSON.stringify(given.replace(/\/\/[^\s/]*@/g, "//…@"));
  throw new RerankError("invalid_option", `${source}: expected ${row.kind.allowed}, got ${got}`);
}
