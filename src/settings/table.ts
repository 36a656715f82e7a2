/**
 * The one table of settings: what each is called in the library, in the environment and on the command line, what it may be,
 * its default and its meaning. The record that a row lies in says who takes it.
 */

import type { Kind } from "./kinds.js";
import { engineRows, requestRows } from "./rows/engine.js";
import { hubAccessRows, hubModelRows } from "./rows/hub.js";
import { imageRows, visionRows } from "./rows/images.js";
import { logRows } from "./rows/log.js";
import { modelRows } from "./rows/model.js";
import { processRows, routeRows } from "./rows/server.js";

const hubRows = { ...hubModelRows, ...hubAccessRows };
const sourceRows = { ...modelRows, ...visionRows, ...hubRows };
const optionRows = { ...engineRows, ...imageRows, ...requestRows };

export const settings = { ...sourceRows, ...optionRows, ...routeRows, ...processRows, ...logRows };

export type SettingName = keyof typeof settings;

type ValueOf<Row> = Row extends { readonly kind: Kind<infer Value>; readonly default: infer Default }
  ? Value | Extract<Default, undefined>
  : never;
export type Settings = { readonly [Name in SettingName]: ValueOf<(typeof settings)[Name]> };

/** What tells where the hub is, and who asks it. */
export const hubAccess = namesOf(hubAccessRows);
export const hubSettings = namesOf(hubRows);
export type HubModelSettings = Pick<Settings, (typeof hubSettings)[number]>;

/** What names a model and its files. */
export const sourceSettings = namesOf(sourceRows);

/** The settings that are options of the library under the same name. */
export const optionSettings = namesOf(optionRows);
export type OptionSettings = Pick<Settings, (typeof optionSettings)[number]>;

/** What a command takes that loads a model. */
export const modelSettings = namesOf({ ...sourceRows, ...engineRows, ...imageRows });
export type ModelSettings = Pick<Settings, (typeof modelSettings)[number]>;

/** How the service treats requests. */
export const routeSettings = namesOf(routeRows);
export type RouteSettings = Pick<Settings, (typeof routeSettings)[number]>;

export const settingNames = namesOf(settings);

/** A value for each name. `value` gives values that the name's kind has read or checked. */
export function settingsOf<const Name extends SettingName>(
  names: readonly Name[],
  value: (name: Name) => unknown,
): Pick<Settings, Name> {
  // fromEntries forgets which value belongs to which name.
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Pick<Settings, Name>;
}

function namesOf<Rows extends object>(rows: Rows): readonly (keyof Rows & string)[] {
  return Object.keys(rows).filter((name): name is keyof Rows & string => Object.hasOwn(rows, name));
}
