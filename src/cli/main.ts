#!/usr/bin/env node
/**
 * The command line. A command's code is imported when it runs, so that help and usage errors need no addon. Exit codes: 0 done,
 * 1 failed, 2 usage.
 */

import { Command, CommanderError, Option } from "commander";
import { RerankError } from "../errors.js";
import { packageVersion } from "../files/package-version.js";
import type { VisionType } from "../model/vision-file.js";
import { addFlags } from "../settings/flags.js";
import { readSettings } from "../settings/read.js";
import { hubSettings, modelSettings, settingNames, sourceSettings } from "../settings/table.js";
import { type PassageFlags, passagesOf } from "./passage-flags.js";
import { type RerankFlags, requireUtf8, rerankCommand } from "./rerank-command.js";
import { parseShard } from "./shard.js";
import { UsageError } from "./usage-error.js";

const program = new Command("jina-reranker")
  .description("Reranks documents by their relevance to a query, with jina-reranker-m0 as a GGUF.")
  .version(packageVersion)
  .exitOverride();

const serve = program.command("serve").description("the HTTP service");
const serveFlags = addFlags(serve, settingNames);
serve.action(async () => {
  const settings = serveFlags();
  await (await import("./serve.js")).serve(settings);
});

const rerank = program
  .command("rerank")
  .description("rank files, or lines of stdin, by their relevance to a query")
  .argument("[files...]", "each file is a document, text or an image; none = a document per line of stdin, empty lines left out")
  .addOption(new Option("-q, --query <text>", "what the documents are ranked for"))
  .addOption(new Option("--query-image <file>", "an image in place of the query's text"))
  .addOption(new Option("--image <file>", "one more document, an image; may be repeated").argParser(appended))
  .addOption(new Option("-k, --top-k <number>", "how many to show (default: all)"))
  .addOption(new Option("--instruction <text>", "a line that the model reads before each document, such as how to rank"))
  .addOption(new Option("--passages", "score each document by its best passage, and show that"))
  .addOption(new Option("--passage-tokens <number>", "with passages of so many tokens at most (default: 512)"))
  .addOption(new Option("--passage-overlap <number>", "that share so many tokens at most with the one before (default: 64)"))
  .addOption(new Option("--max-passages <number>", "and of so many a document at most; the rest is not read (default: 10)"))
  .addOption(new Option("--json", "print JSON (the default when stdout is not a terminal)"))
  .addOption(new Option("--jsonl", 'read a request {"query","documents"} per line, and write an answer per line'))
  .addOption(new Option("--shard <i/n>", "with --jsonl: of every n lines answer the i-th; job/n in a Kubernetes indexed Job"))
  .addOption(new Option("--image-folder <dir>", 'with --jsonl: {"image_path"} names an image in this folder'))
  .addOption(new Option("--output <file>", "with --jsonl: write there, and go on behind the answers an earlier run left"));
const rerankFlags = addFlags(rerank, modelSettings);

function appended(value: string, given: readonly string[] = []): readonly string[] {
  return [...given, value];
}

rerank.action(async (files: string[], flags: RerankFlags) => {
  const command = rerankCommand(files, flags, process.stdout.isTTY, process.env);
  const settings = rerankFlags();
  process.exitCode = await (await import("./rerank.js")).rerank(command, settings);
});

const warm = program
  .command("warm")
  .description("compute documents before a query comes, and leave their states in DOCUMENT_CACHE_DIR")
  .argument("[files...]", "each file is a document, text or an image; none = a document per line of stdin, empty lines left out")
  .addOption(new Option("--jsonl", 'each line of the files or of stdin is a document as JSON, or a request {"documents"}'))
  .addOption(new Option("--shard <i/n>", "of every n lines take the i-th; job/n in a Kubernetes indexed Job"))
  .addOption(new Option("--image-folder <dir>", 'with --jsonl: {"image_path"} names an image in this folder'))
  .addOption(new Option("--instruction <text>", "the instruction that queries for these documents will have"))
  .addOption(new Option("--passages", "the passages that such queries score; the next three as for rerank"))
  .addOption(new Option("--passage-tokens <number>", "of a passage (default: 512)"))
  .addOption(new Option("--passage-overlap <number>", "shared with the passage before (default: 64)"))
  .addOption(new Option("--max-passages <number>", "of a document (default: 10)"))
  .addOption(new Option("--json", "print JSON (the default when stdout is not a terminal)"));
const warmFlags = addFlags(warm, modelSettings);

interface WarmFlags extends PassageFlags {
  readonly jsonl?: boolean;
  readonly shard?: string;
  readonly imageFolder?: string;
  readonly instruction?: string;
  readonly json?: boolean;
}

warm.action(async (files: string[], { jsonl = false, shard, imageFolder, instruction, json, ...flags }: WarmFlags) => {
  if (!jsonl && files.length > 0 && shard !== undefined)
    throw new UsageError("--shard: only for lines, not with files of documents");
  if (!jsonl && imageFolder !== undefined) throw new UsageError("--image-folder: only with --jsonl");
  requireUtf8("--instruction", instruction);
  const passages = passagesOf(flags);
  const command = {
    ...{ files, jsonl, imageFolder, json: json ?? !process.stdout.isTTY },
    options: { ...(instruction !== undefined && { instruction }), ...(passages && { passages }) },
    shard: shard === undefined ? undefined : parseShard(shard, process.env),
  };
  const settings = warmFlags();
  process.exitCode = await (await import("./warm.js")).warm(command, settings);
});

const download = program
  .command("download")
  .description("fetch a model and its score head into the hub's cache, verify them, print where they are")
  .argument("[model-id]", "owner/name (default: MODEL_ID)")
  .argument("[model-file]", "the GGUF in it (default: MODEL_FILE)")
  .addOption(new Option("--vision", "in their place, make the vision tower's GGUF, for images: reads 1.33 GB of VISION_ID"))
  .addOption(new Option("--vision-type <type>", "its weights (default: q8_0, 0.71 GB)").choices(["q8_0", "f16"]));
const downloadFlags = addFlags(download, hubSettings);
download.action(async (modelId: string | undefined, modelFile: string | undefined, flags: DownloadFlags) => {
  const given = { ...(modelId !== undefined && { modelId }), ...(modelFile !== undefined && { modelFile }) };
  const visionType = visionTypeOf(flags, Object.keys(given).length);
  // The arguments are checked as the flags --model-id and --model-file are.
  const settings = {
    ...downloadFlags(),
    ...readSettings(
      ["modelId", "modelFile"].filter((name): name is keyof typeof given => name in given),
      given,
      {},
    ),
  };
  const commands = await import("./download.js");
  if (visionType === undefined) await commands.download(settings);
  else await commands.downloadVision(settings, visionType);
});

interface DownloadFlags {
  readonly vision?: true;
  readonly visionType?: VisionType;
}

/** undefined = the model is fetched, not the vision tower. */
function visionTypeOf({ vision, visionType }: DownloadFlags, argumentCount: number): VisionType | undefined {
  if (vision === undefined) {
    if (visionType !== undefined) throw new UsageError("--vision-type: only with --vision");
    return undefined;
  }
  if (argumentCount > 0) throw new UsageError("--vision: not with a model; --vision-id names the repository that has the tower");
  return visionType ?? "q8_0";
}

const verify = program
  .command("verify")
  .description("score pairs whose scores are known, and tell how far the model is from them")
  .requiredOption("--pairs <file>", 'a {"query","document","score"} per line; an image is {"image_path"}')
  .addOption(new Option("--image-folder <dir>", "the folder that the images are in"))
  .addOption(new Option("--tolerance <number>", "the largest difference that is well").default("0.02"))
  .addOption(new Option("--json", "print JSON"));
const verifyFlags = addFlags(verify, modelSettings);

interface VerifyFlags {
  readonly pairs: string;
  readonly tolerance: string;
  readonly imageFolder?: string;
  readonly json?: boolean;
}

verify.action(async ({ pairs, tolerance: text, imageFolder, json = false }: VerifyFlags) => {
  const tolerance = text.trim() === "" ? Number.NaN : Number(text);
  if (!(tolerance >= 0 && tolerance <= 1)) {
    throw new UsageError(`--tolerance: expected a number from 0 to 1, got ${JSON.stringify(text)}`);
  }
  const within = await (await import("./verify.js")).verify({ pairs, tolerance, imageFolder, json }, verifyFlags());
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
/** The demo always serves its own model. */
const notForDemo = [...sourceSettings, "keepAliveOnFailure"] as const;
const demoFlags = addFlags(
  demo,
  settingNames.filter((name) => !notForDemo.some((other) => other === name)),
);
demo.action(async ({ once = false }: { once?: boolean }) => {
  const settings = { ...readSettings(notForDemo, {}, {}), ...demoFlags(), demo: true };
  await (await import("./demo.js")).demo(once, settings);
});

// A reader such as `head` may close the pipe early: that is no failure.
process.stdout.on("error", (error) => {
  if ("code" in error && error.code === "EPIPE") process.exit(0);
  throw error;
});
// And of what is told beside the output, nobody has to read the end.
process.stderr.on("error", () => {});

try {
  await program.parseAsync();
} catch (error) {
  process.exit(report(error));
}

/** Writes the error, unless commander has done so, and gives the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  process.stderr.write(`jina-reranker: ${error instanceof Error ? error.message : String(error)}\n`);
  return error instanceof UsageError || (error instanceof RerankError && error.code === "invalid_option") ? 2 : 1;
}
