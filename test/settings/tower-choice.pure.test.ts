/** Which vision tower a command takes, from its flags and the variables. */

import { expect, test } from "vitest";
import { variablesBeside } from "../../src/settings/model-choice.js";
import { readSettings } from "../../src/settings/read.js";
import { modelSettings, type SettingName } from "../../src/settings/table.js";
import { towerChoice } from "../../src/settings/tower-choice.js";

type Flags = Partial<Record<SettingName, string>>;

function chosen(flags: Flags, variables: Readonly<Record<string, string>>) {
  const settings = readSettings(modelSettings, flags, variablesBeside(flags, variables));
  return towerChoice(settings, settings.demo);
}

const [file, none, downloaded] = [{ kind: "file", path: "a.gguf" }, { kind: "none" }, { kind: "found" }];
const named = { MMPROJ_PATH: "a.gguf" };

test.each<[Flags, Readonly<Record<string, string>>, object]>([
  [{}, {}, none],
  [{}, named, file],
  [{}, { IMAGES: "true" }, downloaded],
  [{}, { ...named, IMAGES: "true" }, file],
  [{}, { ...named, IMAGES: "false" }, none],
  [{}, { IMAGES: "false" }, none],
  [{ mmprojPath: "a.gguf" }, { MMPROJ_PATH: "b.gguf" }, file],
  [{ images: "true" }, { IMAGES: "false" }, downloaded],
  [{ demo: "true" }, { ...named, IMAGES: "true" }, none],
  [{ modelPath: "m.gguf" }, named, file],
])("flags %j beside variables %j: %j", (flags, variables, expected) => {
  expect(chosen(flags, variables)).toEqual(expected);
});

test("images cannot be asked for with the demo model", () => {
  expect(() => chosen({}, { DEMO: "true", IMAGES: "true" })).toThrow("IMAGES: not with the demo model");
});
