import { mkdir, mkdtemp, readdir, readFile, readlink, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import {
  produceAtomically,
  sweepUnfinished,
  sweepUnfinishedOf,
  unfinishedPath,
  writeAtomically,
} from "../../src/files/write-atomically.js";

const folder = () => mkdtemp(join(tmpdir(), "jina-atomic-"));

test("a file appears with its whole content in a new folder, and nothing beside it", async () => {
  const path = join(await folder(), "deep", "file.json");
  await writeAtomically(path, "content");
  expect(await readFile(path, "utf8")).toBe("content");
  expect(await readdir(join(path, ".."))).toEqual(["file.json"]);
});

test("a producer that fails half way leaves the old file and nothing else", async () => {
  const path = join(await folder(), "file");
  await writeAtomically(path, "old");
  const failing = produceAtomically(path, async (unfinished) => {
    await writeFile(unfinished, "ha");
    throw new Error("power cut");
  });
  await expect(failing).rejects.toThrow("power cut");
  expect(await readFile(path, "utf8")).toBe("old");
  expect(await readdir(join(path, ".."))).toEqual(["file"]);
});

test("a folder appears with everything in it, and links stay links", async () => {
  const path = join(await folder(), "thing");
  await produceAtomically(path, async (unfinished) => {
    await mkdir(join(unfinished, "deep"), { recursive: true });
    await writeFile(join(unfinished, "deep", "file"), "content");
    await symlink("nowhere", join(unfinished, "link"));
  });
  expect(await readFile(join(path, "deep", "file"), "utf8")).toBe("content");
  expect(await readlink(join(path, "link"))).toBe("nowhere");
  expect(await readdir(join(path, ".."))).toEqual(["thing"]);
});

test("sweepUnfinishedOf removes the temporary files of its path, however new, and no others", async () => {
  const path = join(await folder(), "file");
  const [own, others] = [unfinishedPath(path), unfinishedPath(`${path}2`)];
  for (const left of [path, own, `${own}.partial`, others]) await writeFile(left, "");
  // As the clock of a file server may have it.
  const tomorrow = new Date(Date.now() + 86_400_000);
  await utimes(own, tomorrow, tomorrow);
  await sweepUnfinishedOf(path);
  const expected = [path, others].map((left) => basename(left)).sort();
  expect((await readdir(join(path, ".."))).sort()).toEqual(expected);
});

test("two writers get different temporary names", () => {
  expect(unfinishedPath("file")).not.toBe(unfinishedPath("file"));
});

test("old remains of a killed run are removed; new ones and other files stay", async () => {
  const directory = await folder();
  const old = unfinishedPath(join(directory, "old"));
  const fresh = unfinishedPath(join(directory, "fresh"));
  for (const path of [old, fresh, join(directory, "file")]) await writeFile(path, "");
  const yesterday = new Date(Date.now() - 86_400_000);
  for (const path of [old, join(directory, "file")]) await utimes(path, yesterday, yesterday);
  await sweepUnfinished(directory, 3_600_000);
  expect((await readdir(directory)).sort()).toEqual(
    [fresh, join(directory, "file")].map((path) => path.slice(directory.length + 1)).sort(),
  );
});
