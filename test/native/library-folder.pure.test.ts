/** A GPU's library of hundreds of megabytes is compared with its checksum while the process goes on with other things. */

import { mkdtemp, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { damageOf, damageOfLarge, type LibraryFolder } from "../../src/native/library-folder.js";

const megabytes = 200;
const file = process.platform === "win32" ? "ggml-cuda.dll" : "libggml-cuda.so";

async function folder(expected: string): Promise<LibraryFolder> {
  const directory = await mkdtemp(join(tmpdir(), "jina-reranker-library-"));
  await writeFile(join(directory, file), "");
  await truncate(join(directory, file), megabytes * 2 ** 20);
  return { directory, manifest: { name: "a-package", version: "1.0.0", libraries: { [file]: expected } } };
}

test("the event loop turns while a large library is read, many times over", async () => {
  const it = await folder("0".repeat(64));
  let turns = 0;
  let reading = true;
  const turn = () => {
    turns += 1;
    if (reading) setImmediate(turn);
  };
  setImmediate(turn);
  const damage = await damageOfLarge(it, file);
  reading = false;
  expect(damage).toMatch(/^the file is damaged: its sha256 is [0-9a-f]{64}, 0{64} was packed$/);
  expect(turns).toBeGreaterThan(megabytes / 2);
});

test("both ways of reading come to the same", async () => {
  const wrong = await folder("0".repeat(64));
  const damage = damageOf(wrong, file);
  expect(await damageOfLarge(wrong, file)).toBe(damage);
  const [, actual = ""] = /sha256 is ([0-9a-f]+)/.exec(damage ?? "") ?? [];
  const right = await folder(actual);
  expect([damageOf(right, file), await damageOfLarge(right, file)]).toEqual([undefined, undefined]);
});

test.each(["../libggml-cuda.so", "/libggml-cuda.so", "sub/libggml-cuda.so", "..", "", "package.json"])(
  "%j is no library of the folder, and is not read",
  async (name) => {
    const it = await folder("0".repeat(64));
    const strange = { ...it, manifest: { name: "a-package", version: "1.0.0", libraries: { [name]: "0".repeat(64) } } };
    const expected = "its package.json names a file that is no library in the package's folder";
    expect([damageOf(strange, name), await damageOfLarge(strange, name)]).toEqual([expected, expected]);
  },
);
