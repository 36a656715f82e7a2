/** A user names a file that is no model or head: the error says what it is and what to do. */

import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { readScoreHead } from "../../src/model/head.js";
import { requireModelFile } from "../../src/model/local-file.js";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "jina-reranker-Modelle-ü雪-"));
});

const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${"a".repeat(64)}\nsize 986046656\n`;
const pages = [
  "<!doctype html><html>",
  "\ufeff\n<HTML lang=en>",
  "<!-- saved from url -->\n<html>",
  '<?xml version="1.0"?>\n<!DOCTYPE html>',
];

async function written(name: string, content: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

describe.each([
  ["a model", requireModelFile, "model.gguf", "model_invalid", "model_not_found"],
  ["a score head", readScoreHead, "head.npz", "head_invalid", "head_invalid"],
] as const)("as %s", (_, read, name, invalid, folderCode) => {
  test("a Git LFS pointer is recognised", async () => {
    const path = await written(name, pointer);
    const message = expect.stringMatching(/Git LFS pointer, not the file itself; run `git lfs pull`/);
    await expect(read(path)).rejects.toMatchObject({ code: invalid, message });
    await expect(read(path)).rejects.toThrow(path);
  });

  test.each(pages)("the web page %j is recognised", async (page) => {
    const message = expect.stringMatching(/a web page \(HTML\) saved under this name.*download link/);
    await expect(read(await written(name, page))).rejects.toMatchObject({ code: invalid, message });
  });

  test("a folder is recognised, and the error lists the files in it that may have been meant", async () => {
    const path = join(folder, `${name} folder`);
    await mkdir(path, { recursive: true });
    await expect(read(path)).rejects.toMatchObject({ code: folderCode, message: expect.stringContaining("got a folder; ") });
    await expect(read(path)).rejects.toThrow(/there is no \.\w+ file in it/);
    await writeFile(join(path, name), "");
    await expect(read(path)).rejects.toThrow(`in it are ${name}`);
  });
});

test("a file that begins like a model passes with its bytes, also under a path that is not ASCII", async () => {
  await expect(requireModelFile(await written("größe 模型.gguf", "GGUF\u0003"))).resolves.toBe(5);
});
