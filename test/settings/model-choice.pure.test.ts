/** Which model a command takes, from its flags and the variables. */

import { expect, test } from "vitest";
import { modelName, modelSource } from "../../src/load.js";
import { variablesBeside } from "../../src/settings/model-choice.js";
import { readSettings } from "../../src/settings/read.js";
import { modelSettings, type SettingName } from "../../src/settings/table.js";

type Flags = Partial<Record<SettingName, string>>;

function chosen(flags: Flags, variables: Readonly<Record<string, string>>): string {
  const settings = readSettings(modelSettings, flags, variablesBeside(flags, variables));
  const head = settings.headPath === undefined ? "" : ` with ${settings.headPath}`;
  return `${modelSource(settings).kind} ${modelName(modelSource(settings))}${head}`;
}

const file = { MODEL_PATH: "of-variable.gguf" };
const withHead = { ...file, HEAD_PATH: "head.npz" };
const hub = "hub jina-reranker-m0-Q4_K_M";

test.each<[Flags, Readonly<Record<string, string>>, string]>([
  [{}, {}, hub],
  [{}, file, "file of-variable"],
  [{}, { DEMO: "true" }, "demo lexical-demo"],
  [{}, { ...file, DEMO: "true" }, "file of-variable"],
  [{}, { ...file, MODEL_ID: "a/b" }, "file of-variable"],
  [{ demo: "true" }, file, "demo lexical-demo"],
  [{ demo: "true" }, withHead, "demo lexical-demo"],
  [{ demo: "true", headPath: "mine.npz" }, withHead, "demo lexical-demo with mine.npz"],
  [{ demo: "true" }, { MODEL_ID: "a/b", MODEL_FILE: "c.gguf" }, "demo lexical-demo"],
  [{ modelPath: "of-flag.gguf" }, { DEMO: "true" }, "file of-flag"],
  [{ modelPath: "of-flag.gguf" }, withHead, "file of-flag with head.npz"],
  [{ modelPath: "of-flag.gguf" }, { MODEL_ID: "a/b" }, "file of-flag"],
  [{ modelId: "a/b" }, { ...file, DEMO: "true" }, hub],
  [{ modelFile: "c.gguf" }, { ...file, MODEL_ID: "a/b" }, "hub c"],
  [{ modelRevision: "v1" }, { DEMO: "true" }, hub],
])("flags %j beside variables %j: %s", (flags, variables, expected) => {
  expect(chosen(flags, variables)).toBe(expected);
});

test.each<[Flags, string]>([
  [{ demo: "true", modelPath: "a.gguf" }, "--model: not with --demo"],
  [{ demo: "true", modelId: "a/b" }, "--model-id: not with --demo"],
  [{ modelPath: "a.gguf", modelFile: "c.gguf" }, "--model-file: not with --model"],
])("flags %j name two models: %s", (flags, message) => {
  expect(() => variablesBeside(flags, {})).toThrow(message);
});
