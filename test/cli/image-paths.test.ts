/** Images that files of requests name by path, and what may be named. */

import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { takePaths, withImages, withNames } from "../../src/cli/image-paths.js";

let top: string;
let folder: string;
beforeAll(async () => {
  top = await realpath(await mkdtemp(join(tmpdir(), "jina-reranker-paths-")));
  folder = join(top, "pages");
  await mkdir(join(folder, "a"), { recursive: true });
  for (const file of ["pages/1.png", "pages/a/2.png", "secret.png"]) await writeFile(join(top, file), "");
  await symlink("../secret.png", join(folder, "link.png"));
  await symlink("a/2.png", join(folder, "inside.png"));
});
afterAll(() => rm(top, { recursive: true }));

test("an image inside the folder takes its place in the request, and its name that in the answer", async () => {
  const request = {
    query: { image_path: "1.png" },
    documents: ["text", { image_path: "a/2.png" }, { image_path: "inside.png" }],
    top_k: 2,
  };
  const { body, images } = await takePaths(request, folder);
  expect(body).toEqual({ query: "an image", documents: ["text", "an image", "an image"], top_k: 2 });
  const job = withImages({ query: "an image", documents: ["text", "an image", "an image"], topK: 2 }, images);
  expect(job).toEqual({
    query: { image: join(folder, "1.png") },
    documents: ["text", { image: join(folder, "a/2.png") }, { image: join(folder, "a/2.png") }],
    topK: 2,
  });
  const results = [{ index: 1, document: { image: join(folder, "a/2.png") } }, { index: 0, document: "text" }, { index: 2 }];
  expect(withNames({ results }, images)).toEqual({
    query: { image_path: "1.png" },
    results: [{ index: 1, document: { image_path: "a/2.png" } }, { index: 0, document: "text" }, { index: 2 }],
  });
});

test("a request without such names stays as it is, whatever it is", async () => {
  for (const request of [
    null,
    5,
    [],
    "text",
    {},
    { query: "q", documents: ["a", { image: "AAAA" }, { text: "b", image_path: "x" }] },
  ]) {
    const { body, images } = await takePaths(request, undefined);
    expect(body).toEqual(request);
    expect(images.size).toBe(0);
  }
});

test.each([
  ["../secret.png", "invalid_request", "expected a path inside --image-folder, got one that leads out of it"],
  ["/etc/hostname", "invalid_request", "expected a path inside --image-folder, got one that leads out of it"],
  ["link.png", "invalid_request", "expected a path inside --image-folder, got one that leads out of it"],
  ["a/../../secret.png", "invalid_request", "expected a path inside --image-folder, got one that leads out of it"],
  ["none.png", "image_unreachable", "expected a file in --image-folder: ENOENT"],
  [5, "invalid_request", "expected a path, got 5"],
])("%j is refused: %s", async (path, code, message) => {
  await expect(takePaths({ documents: ["text", { image_path: path }] }, folder)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(`documents[1].image_path: ${message}`),
  });
});

test("without a folder no image can be named", async () => {
  await expect(takePaths({ query: { image_path: "1.png" } }, undefined)).rejects.toMatchObject({
    code: "invalid_request",
    message: 'query.image_path: expected {"image"}, or --image-folder with the folder that images are in',
  });
});
