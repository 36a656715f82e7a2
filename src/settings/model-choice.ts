/** What names a model: the demo, a local file, or a repository of the hub. Each excludes the others. */

import { RerankError } from "../errors.js";
import { type SettingName, settings } from "./table.js";

type Variables = Readonly<Record<string, string | undefined>>;

/** Which variables a flag overrules. HEAD_PATH and a tower go with a file or a repository; the demo has a head of its own, and no tower. */
const choices: readonly { readonly flags: readonly SettingName[]; readonly overrules: readonly SettingName[] }[] = [
  { flags: ["demo"], overrules: ["modelPath", "headPath", "mmprojPath", "images"] },
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
