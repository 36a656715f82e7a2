/** Settings as flags and variables give them. */

import { describe, expect, test } from "vitest";
import { readSettings } from "../../src/settings/read.js";
import { type SettingName, settings } from "../../src/settings/table.js";
import { failure } from "../support/failure.js";

describe("settings", () => {
  const names: readonly SettingName[] = ["contextSize", "demo", "reproducible", "host", "modelPath"];

  test("a flag wins over its variable, a variable over the default, an empty variable counts as unset", () => {
    expect(readSettings(names, {}, {})).toEqual({
      contextSize: 8192,
      demo: false,
      reproducible: "auto",
      host: "0.0.0.0",
      modelPath: undefined,
    });
    const environment = { CTX_SIZE: "512", DEMO: "1", REPRODUCIBLE: "Exact", HOST: "", MODEL_PATH: "x.gguf" };
    expect(readSettings(names, { contextSize: "64" }, environment)).toEqual({
      contextSize: 64,
      demo: true,
      reproducible: "exact",
      host: "0.0.0.0",
      modelPath: "x.gguf",
    });
  });

  test.each([
    [{}, { CTX_SIZE: "8k" }, 'CTX_SIZE: expected a whole number from 16 to 1048576, got "8k"'],
    [{}, { CTX_SIZE: "-5" }, 'CTX_SIZE: expected a whole number from 16 to 1048576, got "-5"'],
    [{ contextSize: "1e3" }, {}, '--ctx-size: expected a whole number from 16 to 1048576, got "1e3"'],
    [{}, { DEMO: "maybe" }, 'DEMO: expected true or false, got "maybe"'],
    [{}, { REPRODUCIBLE: "2" }, 'REPRODUCIBLE: expected one of auto, exact, fast, got "2"'],
  ])("%j and %j: one line names the flag or variable, what is allowed and the value", (flags, environment, message) => {
    expect(failure(() => readSettings(names, flags, environment)).message).toBe(message);
  });

  test("GPUS is a list of numbers and cpu, each as often as one likes", () => {
    const gpus = (text: string) => readSettings(["gpus"], { gpus: text }, {}).gpus;
    expect(readSettings(["gpus"], {}, {}).gpus).toBeUndefined();
    expect(gpus("0, 2,CPU,cpu,0")).toEqual([0, 2, "cpu", "cpu", 0]);
    for (const wrong of ["0;1", ",", "-1", "64", "gpu"]) {
      expect(failure(() => gpus(wrong)).message).toBe(
        `--gpus: expected numbers from 0 to 63, or cpu, separated by commas, got ${JSON.stringify(wrong)}`,
      );
    }
  });

  test("IMAGE_URLS is a list of hosts, with * for all and *. for those below one", () => {
    const hosts = (text: string) => readSettings(["imageUrls"], {}, { IMAGE_URLS: text }).imageUrls;
    expect(hosts("")).toBeUndefined();
    expect(hosts("Pages.example, *.cdn.example,93.184.216.34")).toEqual(["Pages.example", "*.cdn.example", "93.184.216.34"]);
    expect(hosts("*")).toEqual(["*"]);
    for (const wrong of [
      "https://pages.example",
      "pages.example:443",
      "pages.example/a",
      "a.*.example",
      "*example",
      ".example",
      ",",
    ]) {
      expect(failure(() => hosts(wrong)).message).toBe(
        `IMAGE_URLS: expected hosts such as pages.example or *.pages.example, separated by commas, or *, got ${JSON.stringify(wrong)}`,
      );
    }
  });

  test.each([
    [{ IMAGE_MAX_TOKENS: "3" }, "imageMaxTokens"],
    [{ IMAGE_MAX_TOKENS: "769" }, "imageMaxTokens"],
    [{ MAX_IMAGES: "0" }, "maxImages"],
    [{ IMAGES: "some" }, "images"],
    [{ IMAGE_MAX_MB: "0" }, "imageMaxMb"],
  ] as const)("%j stops the start", (environment, name) => {
    expect(failure(() => readSettings([name], {}, environment)).code).toBe("invalid_option");
  });

  test("only the settings asked for are read, so a command is not stopped by a variable it does not use", () => {
    expect(readSettings(["contextSize"], {}, { PORT: "none" })).toEqual({ contextSize: 8192 });
  });

  test("no flag and no variable is used twice", () => {
    const rows = Object.values(settings);
    expect(new Set(rows.map(({ flag }) => flag)).size).toBe(rows.length);
    expect(new Set(rows.map(({ environment }) => environment)).size).toBe(rows.length);
  });
});
