/**
 * The life of decoder processes: they end with an image that breaks them, with a request that is given up, and with the process
 * that started them. Decoders that break on purpose are programs that begin with the real one.
 */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ImageLoader } from "../../src/images/image-loader.js";
import { ended } from "../support/command.js";
import { until, within } from "../support/until.js";
import { decoder } from "./decoder.js";
import { plainPng } from "./fixtures.js";

const good = { field: "query", source: plainPng({ width: 56, height: 56 }, [1, 2, 3]) };
/** Its header is fine, and a decoder never comes to the end of its file. */
const marked = { field: "documents[1]", source: Buffer.concat([good.source, Buffer.from("marked")]) };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "jina-reranker-decoders-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** The real decoder, which writes its process id into a file when it gets the marked image, and then runs `action`. */
async function decoderThat(name: string, action: string): Promise<{ entry: URL; pidFile: string }> {
  const [program, pidFile] = [join(folder, `${name}.mjs`), join(folder, `${name}.pid`)];
  // Renamed when it is whole: the process may be killed between the file's creation and its text.
  const contents = `import { renameSync, writeFileSync } from "node:fs";
    process.on("message", ({ bytes }) => {
      if (!Buffer.from(bytes).includes("marked")) return;
      const part = ${JSON.stringify(pidFile)} + "." + process.pid;
      writeFileSync(part, String(process.pid));
      renameSync(part, ${JSON.stringify(pidFile)});
      ${action}
    });
    await import(${JSON.stringify(decoder.href)});`;
  await writeFile(program, contents);
  return { entry: pathToFileURL(program), pidFile };
}

const hang = "for (;;);";

/** Waits until the process of the marked image is gone: it may be known to be broken before the system has taken it away. */
async function gone(pidFile: string): Promise<void> {
  const pid = Number(await readFile(pidFile, "utf8"));
  await until(() => {
    try {
      process.kill(pid, 0);
      return false;
    } catch {
      return true;
    }
  });
}

test("an image that breaks its decoder is refused, and the next one gets another", async () => {
  const { entry, pidFile } = await decoderThat("breaks", 'process.kill(process.pid, "SIGKILL"); for (;;);');
  using loader = new ImageLoader({}, entry);
  await expect(loader.load(marked)).rejects.toMatchObject({
    code: "image_invalid",
    message: "documents[1]: expected an image that can be decoded, got one that the decoder failed on",
  });
  await gone(pidFile);
  expect(await loader.load(good)).toMatchObject({ tokens: 4 });
});

test("an image that takes too long is refused, and its decoder ended", async () => {
  const { entry, pidFile } = await decoderThat("hangs", hang);
  using loader = new ImageLoader({ decodeMs: 15_000 }, entry);
  await expect(loader.load(marked)).rejects.toMatchObject({
    code: "image_invalid",
    message: "documents[1]: expected an image that can be decoded within 15 s, got one that cannot",
  });
  await gone(pidFile);
});

test("a request that is given up ends its decoder, and leaves the others their turns", async () => {
  const { entry, pidFile } = await decoderThat("given-up", hang);
  using loader = new ImageLoader({}, entry);
  const leaver = new AbortController();
  const loads = Array.from({ length: 6 }, () => loader.load(marked, leaver.signal));
  const outcomes = Promise.allSettled(loads);
  await until(() => existsSync(pidFile));
  const waiting = loader.load(good);
  leaver.abort(new Error("left"));
  for (const outcome of await outcomes) expect(outcome).toEqual({ status: "rejected", reason: new Error("left") });
  expect(await waiting).toMatchObject({ tokens: 4 });
  await gone(pidFile);
});

test("a request that is given up does not wait for a decoder that is being started", async () => {
  const program = join(folder, "never-ready.mjs");
  await writeFile(program, "setInterval(() => {}, 1000);");
  using loader = new ImageLoader({}, pathToFileURL(program));
  const leaver = new AbortController();
  const outcome = expect(loader.load(good, leaver.signal)).rejects.toThrow("left");
  setImmediate(() => leaver.abort(new Error("left")));
  await outcome;
});

test("closing ends decoders and what waits for them, and every later load", async () => {
  const { entry, pidFile } = await decoderThat("closed", hang);
  const loader = new ImageLoader({}, entry);
  const closed = { code: "closed", message: "the image loader was closed" };
  const loading = Array.from({ length: 4 }, () => expect(loader.load(marked)).rejects.toMatchObject(closed));
  await until(() => existsSync(pidFile));
  loader[Symbol.dispose]();
  await Promise.all(loading);
  await gone(pidFile);
  await expect(loader.load(good)).rejects.toMatchObject(closed);
  loader[Symbol.dispose]();
});

test("a program that loaded images ends by itself, and its decoders with it", async () => {
  const { entry, pidFile } = await decoderThat("ends", "");
  const program = join(folder, "program.mjs");
  await writeFile(
    program,
    `import { ImageLoader } from ${JSON.stringify(new URL("image-loader.js", decoder).href)};
     const source = Buffer.from(${JSON.stringify(marked.source.toString("base64"))}, "base64");
     const { tokens } = await new ImageLoader({}, new URL(${JSON.stringify(entry.href)})).load({ field: "query", source });
     console.log(tokens);`,
  );
  const outcome = within(ended(spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "pipe"] })), () => "the program");
  expect(await outcome).toMatchObject({ code: 0, stdout: "4\n" });
  await gone(pidFile);
});

test("a decoder gets none of the service's variables", async () => {
  const { entry, pidFile } = await decoderThat(
    "environment",
    `writeFileSync(${JSON.stringify(join(folder, "names"))}, Object.keys(process.env).join());`,
  );
  process.env.HF_TOKEN = "hf_secret";
  try {
    using loader = new ImageLoader({}, entry);
    await loader.load(marked);
  } finally {
    delete process.env.HF_TOKEN;
  }
  expect(existsSync(pidFile)).toBe(true);
  const names = (await readFile(join(folder, "names"), "utf8")).split(",");
  expect(names).toContain("VIPS_BLOCK_UNTRUSTED");
  expect(names).not.toContain("HF_TOKEN");
});

test("without sharp an image is refused with what to type, and so is the start of a service", async () => {
  const bare = join(folder, "bare");
  await cp(new URL(".", decoder), join(bare, "images"), { recursive: true });
  await cp(new URL("../errors.js", decoder), join(bare, "errors.js"));
  await writeFile(join(bare, "package.json"), '{ "type": "module" }');
  using loader = new ImageLoader({}, pathToFileURL(join(bare, "images", "decoder-main.js")));
  const missing = {
    code: "images_not_supported",
    message: expect.stringMatching(
      /expected the package sharp, which reads images; install it with: npm install sharp@0\.35 \(Cannot find package/,
    ),
  };
  await expect(loader.check()).rejects.toMatchObject(missing);
  await expect(loader.load(good)).rejects.toMatchObject(missing);
  using complete = new ImageLoader({}, decoder);
  expect(await complete.check()).toBeUndefined();
});

test("a decoder that cannot be started is no fault of the image", async () => {
  using loader = new ImageLoader({}, pathToFileURL(join(folder, "nowhere.mjs")));
  await expect(loader.load(good)).rejects.toMatchObject({ code: "engine_error" });
});
