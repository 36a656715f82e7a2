/** `info`: versions, the backends and devices found, why a backend was not usable, and a model's facts. */

import { native } from "../native.js";
import type { ModelSettings } from "./flags.js";
import { type HubFiles, hubFiles } from "./hub-files.js";
import { loadModel, type ModelSource, modelName, modelSource } from "./model-source.js";
import { printable, table } from "./table.js";

export async function info(json: boolean, settings: ModelSettings): Promise<void> {
  const { addon, llamaCpp, llamaCppCommit } = native.version();
  const { devices, failures, cpuFeatures } = native.backends();
  const versions = {
    addon,
    llamaCpp,
    llamaCppCommit,
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  };
  const source = modelSource(settings);
  // Without a model at hand it tells where one would come from, and fetches nothing.
  const files = source.kind === "hub" ? await hubFiles(settings) : undefined;
  const model = source.kind === "hub" ? undefined : await modelFacts(source, settings);
  if (json) {
    process.stdout.write(
      `${JSON.stringify({ versions, devices, failures, cpuFeatures, ...(model && { model }), ...(files && { hub: files }) }, null, 2)}\n`,
    );
    return;
  }
  const parts = [
    facts(versions),
    table(
      ["device", "type", "backend", "memory free / total", "description"],
      devices.map(({ name, type, backend, memoryFree, memoryTotal, description }) => [
        name,
        type,
        backend,
        memoryTotal > 0 ? `${gibibytes(memoryFree)} / ${gibibytes(memoryTotal)}` : "not told",
        description,
      ]),
    ),
    `CPU features: ${cpuFeatures.join(" ")}\n`,
    ...failures.map(({ path, reason }) => `not used: ${path}: ${printable(reason)}\n`),
    ...(model ? [facts(model)] : []),
    ...(files ? [filesTable(files)] : []),
  ];
  process.stdout.write(parts.join("\n"));
}

async function modelFacts(source: ModelSource, settings: ModelSettings): Promise<Record<string, string | number>> {
  await using reranker = await loadModel(source, settings, { onProgress: () => {}, onNotice: () => {} });
  return { model: modelName(source), ...reranker.info };
}

function filesTable({ repository, revision, commit, cache, files }: HubFiles): string {
  const head = `model: ${repository} at ${revision}${commit === undefined ? "" : ` (${commit})`}, in ${cache}\n`;
  const lines = files.flatMap(({ file, path, state }) => [`  ${file}: ${state}`, ...(path === undefined ? [] : [`    ${path}`])]);
  return `${head}${lines.join("\n")}\n`;
}

function facts(record: Readonly<Record<string, string | number>>): string {
  return table(
    ["what", "is"],
    Object.entries(record).map(([name, value]) => [name, printable(String(value))]),
  );
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
