#!/usr/bin/env node
/**
 * The command line. Commands are loaded when they run, so that help and usage errors need no addon. Exit codes: 0 done,
 * 1 failed, 2 usage.
 */

import { Command, CommanderError, Option } from "commander";
import { RerankError } from "../errors.js";
import { packageVersion } from "../files/package-version.js";
import { addFlags, modelSettings, serverSettings } from "../settings/flags.js";
import { wholeNumber } from "../settings/kinds.js";
import { hubSettings } from "../settings/model-choice.js";
import { readSettings, type SettingName } from "../settings/table.js";
import { parseShard } from "./shard.js";

class UsageError extends Error {}

const program = new Command("jina-reranker")
  .description("Reranks documents by their relevance to a query, with jina-reranker-m0 as a GGUF.")
  .version(packageVersion)
  .exitOverride();

const serve = program.command("serve").description("the HTTP service");
const serveFlags = addFlags(serve, serverSettings);
serve.action(async () => {
  const settings = serveFlags();
  await (await import("./serve.js")).serve(settings);
});

const rerank = program
  .command("rerank")
  .description("rank files, or lines of stdin, by their relevance to a query")
  .argument("[files...]", "each file is a document; none = a document per line of stdin, empty lines left out")
  .addOption(new Option("-q, --query <text>", "what the documents are ranked for"))
  .addOption(new Option("-k, --top-k <number>", "how many to show (default: all)"))
  .addOption(new Option("--json", "print JSON (the default when stdout is not a terminal)"))
  .addOption(new Option("--jsonl", 'read a request {"query","documents"} per line, and write an answer per line'))
  .addOption(new Option("--shard <i/n>", "with --jsonl: of every n lines answer the i-th; job/n in a Kubernetes indexed Job"))
  .addOption(new Option("--output <file>", "with --jsonl: write there, and go on behind the answers an earlier run left"));
const rerankFlags = addFlags(rerank, modelSettings);
interface RerankFlags {
  readonly query?: string;
  readonly topK?: string;
  readonly json?: boolean;
  readonly jsonl?: true;
  readonly shard?: string;
  readonly output?: string;
}
rerank.action(async (files: string[], { query, topK = "0", json = !process.stdout.isTTY, ...options }: RerankFlags) => {
  const { jsonl, shard, output } = options;
  if (jsonl && query !== undefined) throw new UsageError("--query: not with --jsonl, where each line has its own");
  if (!jsonl && query === undefined) throw new UsageError("--query: expected the text to rank for, got nothing");
  // Node puts U+FFFD in the place of bytes that are not UTF-8.
  if (query?.includes("\ufffd"))
    throw new UsageError("--query: expected text in UTF-8, got bytes that are not; set the terminal to UTF-8");
  if (!jsonl && shard !== undefined) throw new UsageError("--shard: only with --jsonl");
  if (!jsonl && output !== undefined) throw new UsageError("--output: only with --jsonl");
  const count = wholeNumber(0, Number.MAX_SAFE_INTEGER).parse(topK);
  if (count === undefined) throw new UsageError(`--top-k: expected a whole number of at least 0, got ${JSON.stringify(topK)}`);
  const settings = rerankFlags();
  const bulk = jsonl && { shard: shard === undefined ? undefined : parseShard(shard, process.env), output };
  const command = { query, files, jsonl: bulk, json, topK: count };
  process.exitCode = await (await import("./rerank.js")).rerank(command, settings);
});

const download = program
  .command("download")
  .description("fetch a model and its score head into the hub's cache, verify them, print where they are")
  .argument("[model-id]", "owner/name (default: MODEL_ID)")
  .argument("[model-file]", "the GGUF in it (default: MODEL_FILE)");
const downloadFlags = addFlags(download, hubSettings);
download.action(async (modelId?: string, modelFile?: string) => {
  const given = { ...(modelId !== undefined && { modelId }), ...(modelFile !== undefined && { modelFile }) };
  // Checked as the flags of the same name.
  const settings = {
    ...downloadFlags(),
    ...readSettings(
      ["modelId", "modelFile"].filter((name): name is keyof typeof given => name in given),
      given,
      {},
    ),
  };
  await (await import("./download.js")).download(settings);
});

const verify = program
  .command("verify")
  .description("score pairs whose scores are known, and tell how far the model is from them")
  .requiredOption("--pairs <file>", 'a {"query","document","score"} per line')
  .addOption(new Option("--tolerance <number>", "the largest difference that is well").default("0.02"))
  .addOption(new Option("--json", "print JSON"));
const verifyFlags = addFlags(verify, modelSettings);
verify.action(async ({ pairs, tolerance: text, json = false }: { pairs: string; tolerance: string; json?: boolean }) => {
  const tolerance = text.trim() === "" ? Number.NaN : Number(text);
  if (!(tolerance >= 0 && tolerance <= 1)) {
    throw new UsageError(`--tolerance: expected a number from 0 to 1, got ${JSON.stringify(text)}`);
  }
  const within = await (await import("./verify.js")).verify({ pairs, tolerance, json }, verifyFlags());
  if (!within) process.exitCode = 1;
});

const info = program
  .command("info")
  .description("versions, backends and devices; the facts of a model if one is given, else where its files are")
  .addOption(new Option("--json", "print JSON"));
const infoFlags = addFlags(info, modelSettings);
info.action(async ({ json = false }: { json?: boolean }) => {
  const settings = infoFlags();
  const usable = await (await import("./info.js")).info(json, settings);
  if (!usable) process.exitCode = 1;
});

program
  .command("build")
  .description("compile the native part from the sources in this package, where no built one fits")
  .argument("[definitions...]", "for CMake, for example -DGGML_CUDA=ON")
  .allowUnknownOption()
  .action(async (definitions: string[]) => {
    const built = await (await import("./build.js")).build(definitions);
    if (!built) process.exitCode = 1;
  });

const demo = program
  .command("demo")
  .description("serve the built-in demo model, show an example, and stay up")
  .addOption(new Option("--once", "end after the example"));
/** The demo has its own model and never asks for another. */
const notForDemo = [
  "modelPath",
  "headPath",
  "demo",
  "keepAliveOnFailure",
  ...hubSettings,
] as const satisfies readonly SettingName[];
const demoFlags = addFlags(
  demo,
  serverSettings.filter((name) => !notForDemo.some((other) => other === name)),
);
demo.action(async ({ once = false }: { once?: boolean }) => {
  const settings = { ...readSettings(notForDemo, {}, {}), ...demoFlags(), demo: true };
  await (await import("./demo.js")).demo(once, settings);
});

// A reader that has seen enough, as in `… | head`, is no failure.
process.stdout.on("error", (error) => {
  if ("code" in error && error.code === "EPIPE") process.exit(0);
  throw error;
});

try {
  await program.parseAsync();
} catch (error) {
  process.exit(report(error));
}

/** Says what went wrong, unless commander has done so, and gives the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  process.stderr.write(`jina-reranker: ${error instanceof Error ? error.message : String(error)}\n`);
  return error instanceof UsageError || (error instanceof RerankError && error.code === "invalid_option") ? 2 : 1;
}
