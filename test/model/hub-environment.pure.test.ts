/** The hub's variables mean what they mean to its other clients; the published model is pinned. */

import { mkdtemp, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { getHFHubCachePath } from "@huggingface/hub";
import { afterEach, describe, expect, test, vi } from "vitest";
import { hubEnvironment } from "../../src/model/hub-environment.js";
import { pinnedFile, requireOfficialShape } from "../../src/model/official.js";
import { readSettings } from "../../src/settings/read.js";
import { hubSettings } from "../../src/settings/table.js";

const read = (variables: Record<string, string>) => hubEnvironment(readSettings(hubSettings, {}, variables), variables);

afterEach(() => {
  vi.unstubAllEnvs();
});

describe("the hub's variables", () => {
  test.each([
    {},
    { HF_HOME: "/data/hf" },
    { HF_HOME: "/data/hf", HF_HUB_CACHE: "/cache" },
    { XDG_CACHE_HOME: "/xdg" },
    { HUGGINGFACE_HUB_CACHE: "/old" },
  ])("%j means the same cache folder as to the official client", async (variables) => {
    for (const name of ["HF_HOME", "HF_HUB_CACHE", "XDG_CACHE_HOME", "HUGGINGFACE_HUB_CACHE"]) vi.stubEnv(name, undefined);
    for (const [name, value] of Object.entries(variables)) vi.stubEnv(name, value);
    expect((await read(variables)).cacheDirectory).toBe(getHFHubCachePath());
  });

  test("an empty variable counts as unset, ~ is the home folder, a mirror's last slash is dropped", async () => {
    expect(await read({ HF_HOME: "", HF_TOKEN: "", HF_ENDPOINT: "", HF_HUB_OFFLINE: "" })).toMatchObject({
      endpoint: "https://huggingface.co",
      offline: false,
    });
    expect(await read({ HF_HOME: "~/hf", HF_ENDPOINT: "https://mirror.example/hub/", HF_HUB_OFFLINE: "ON" })).toMatchObject({
      endpoint: "https://mirror.example/hub",
      cacheDirectory: join(homedir(), "hf", "hub"),
      offline: true,
    });
  });

  test("the token is HF_TOKEN, else the file token in HF_HOME, else there is none", async () => {
    const home = await mkdtemp(join(tmpdir(), "jina-reranker-hf-"));
    expect((await read({ HF_HOME: home })).authorization).toBeUndefined();
    await writeFile(join(home, "token"), "hf_file\n");
    expect((await read({ HF_HOME: home })).authorization).toBe("Bearer hf_file");
    expect((await read({ HF_HOME: home, HF_TOKEN: "hf_variable" })).authorization).toBe("Bearer hf_variable");
  });

  test("user and password in HF_ENDPOINT are sent to the mirror and appear in no message", async () => {
    const { endpoint, authorization } = await read({ HF_ENDPOINT: "https://me:p%40ss@mirror.example/hub/", HF_TOKEN: "hf_x" });
    expect(endpoint).toBe("https://mirror.example/hub");
    expect(authorization).toBe(`Basic ${Buffer.from("me:p@ss").toString("base64")}`);
    expect(() => readSettings(hubSettings, {}, { HF_ENDPOINT: "https://me:p4ss@mirror.example?x" })).toThrow(
      'HF_ENDPOINT: expected an http or https address, got "https://…@mirror.example?x"',
    );
  });

  test("a token that no header can carry is refused without being repeated", async () => {
    const home = await mkdtemp(join(tmpdir(), "jina-reranker-hf-"));
    await writeFile(join(home, "token"), "<html>\nhf_secret");
    const failure = read({ HF_HOME: home });
    await expect(failure).rejects.toMatchObject({
      code: "invalid_option",
      message: expect.stringContaining(join(home, "token")),
    });
    await expect(failure).rejects.not.toThrow("hf_secret");
  });

  test("a file name may be in any script", () => {
    const names = { MODEL_FILE: "模型/größe.gguf", HEAD_ID: "tuned/head" };
    const { modelFile, headId } = readSettings(hubSettings, {}, names);
    expect([modelFile, headId]).toEqual([names.MODEL_FILE, names.HEAD_ID]);
  });

  test.each([
    ["MODEL_ID", "../..", "a repository as owner/name"],
    ["MODEL_ID", "./x", "a repository as owner/name"],
    ["HEAD_ID", "head", "a repository as owner/name"],
    ["MODEL_FILE", "/x.gguf", "the path of a .gguf file in the repository"],
    ["HF_ENDPOINT", "http://[", "an http or https address"],
    ["MODEL_ID", "jina", "a repository as owner/name"],
    ["MODEL_FILE", "../x.gguf", "the path of a .gguf file in the repository"],
    ["MODEL_FILE", "mlp_weights.npz", "the path of a .gguf file in the repository"],
    ["MODEL_REVISION", "../../x", "a branch, a tag or a commit"],
    ["HF_ENDPOINT", "huggingface.co", "an http or https address"],
  ])("%s=%s stops the start in one line", (name, value, allowed) => {
    expect(() => readSettings(hubSettings, {}, { [name]: value })).toThrow(`${name}: expected ${allowed}, got "${value}"`);
  });
});

describe("the published model", () => {
  test("is pinned by its checksums, whatever the case of its repository's name", () => {
    const pinned = { size: 3_613_968, checksum: { algorithm: "sha256", hex: expect.stringMatching(/^b7bea0fb/) } };
    expect(pinnedFile("jinaai/jina-reranker-m0-GGUF", "mlp_weights.npz")).toEqual(pinned);
    expect(pinnedFile("JinaAI/jina-reranker-m0-gguf", "mlp_weights.npz")).toEqual(pinned);
    expect(pinnedFile("someone/copy", "mlp_weights.npz")).toBeUndefined();
  });

  test("has 28 layers and 1536 × 151936 embedding parameters; a model that differs is refused", () => {
    const shape = { layers: 28, embeddingParameters: 1536 * 151_936 };
    expect(() => requireOfficialShape(shape, "a.gguf")).not.toThrow();
    expect(() => requireOfficialShape({ ...shape, layers: 27 }, "a.gguf")).toThrow(
      "a.gguf: expected 28 layers and 233373696 embedding parameters, got 27 and 233373696",
    );
  });
});
