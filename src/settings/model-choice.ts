/** Three ways to name a model exclude each other: the demo, a local file, a repository of the hub. */

import { RerankError } from "../errors.js";
import { type SettingName, type Settings, settings } from "./table.js";

/** Where the hub is, and who asks it. */
export const hubAccess = [
  "hfEndpoint",
  "hfToken",
  "hfHome",
  "hfHubCache",
  "hfHubOffline",
] as const satisfies readonly SettingName[];

export const hubSettings = [
  "modelId",
  "modelFile",
  "modelRevision",
  "headId",
  ...hubAccess,
] as const satisfies readonly SettingName[];
export type HubModelSettings = Pick<Settings, (typeof hubSettings)[number]>;

type Variables = Readonly<Record<string, string | undefined>>;

/** What a flag takes the place of, as a variable. HEAD_PATH stays with a file or a repository; the demo has its own head. */
const choices: readonly { readonly flags: readonly SettingName[]; readonly overrules: readonly SettingName[] }[] = [
  { flags: ["demo"], overrules: ["modelPath", "headPath"] },
  { flags: ["modelPath"], overrules: ["demo"] },
  { flags: ["modelId", "modelFile", "modelRevision"], overrules: ["demo", "modelPath"] },
];

/** The variables that count beside these flags. Throws invalid_option when the flags name two models. */
export function variablesBeside(flags: Readonly<Partial<Record<SettingName, string>>>, variables: Variables): Variables {
  const given = choices.flatMap((choice) => {
    const flag = choice.flags.find((name) => flags[name] !== undefined);
    return flag === undefined ? [] : [{ flag: settings[flag].flag, overrules: choice.overrules }];
  });
  const [first, second] = given;
  if (first && second) {
    throw new RerankError(
      "invalid_option",
      `${second.flag}: not with ${first.flag}, which names another model; leave one of them out`,
    );
  }
  const overruled = (first?.overrules ?? []).map((name) => settings[name].environment);
  return Object.fromEntries(Object.entries(variables).filter(([name]) => !overruled.some((other) => other === name)));
}
