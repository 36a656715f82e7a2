/**
 * `info`: versions, the backends and why one of them is not used, devices, the memory that a model takes, and its facts. It also
 * tells what is wrong with an installation, so it runs without a usable addon.
 */

import type { DeviceMemory, VisionInfo } from "../../binding.js";
import { RerankError } from "../errors.js";
import { estimate } from "../estimate.js";
import { type ModelSource, modelName, modelSource } from "../load.js";
import { findAddon } from "../native/addon.js";
import type { Finding } from "../native/advice.js";
import { type BackendStatus, surveyBackends } from "../native/backends.js";
import { ownVersion } from "../native/library-folder.js";
import { target } from "../native/platform.js";
import { Reranker } from "../reranker.js";
import type { ModelSettings } from "../settings/table.js";
import type { LoadOptions, MemoryEstimate } from "../types.js";
import { type HubFiles, hubFiles } from "./hub-files.js";
import { loadOptions, silent } from "./load-model.js";
import { memoryFact, memoryTable } from "./memory-table.js";
import { printable, table } from "./table.js";

/** False when nothing here can compute, or not the backend that was asked for, or the model does not fit into memory. */
export async function info(json: boolean, settings: ModelSettings): Promise<boolean> {
  const found = findAddon();
  const machine = { node: process.versions.node, platform: target };
  if (!("addon" in found)) {
    const versions = { package: ownVersion, ...machine };
    const { findings } = found;
    print(json, { versions, backends: [], findings }, [facts(versions), backendTable([], findings)]);
    return false;
  }
  const { binding, findings } = found.addon;
  const backends = await surveyBackends(settings.backend);
  const usable = settings.backend === "auto" || !backends.some(({ state }) => state === "not usable");
  const { devices, failures, cpuFeatures } = binding.backends();
  const versions = { ...binding.version(), ...machine };
  const source = modelSource(settings);
  // A model of the hub is not fetched: the command tells where its files would come from.
  const hub = source.kind === "hub" ? await hubFiles(settings) : undefined;
  const { options, memory, notTold } = usable ? await memoryOf(source, settings, hub) : {};
  const fits = memory?.fit.fits !== "layers" && memory?.fit.fits !== "not";
  // What does not fit is not loaded: the system might end the process before it has told anything.
  const model = options && fits && source.kind !== "hub" ? await modelFacts(source, options) : undefined;
  const here = { versions, backends, findings, devices, failures, cpuFeatures };
  const told = { ...(memory && { memory }), ...(notTold !== undefined && { memoryNotTold: notTold }) };
  print(json, { ...here, ...told, ...(model && { model }), ...(hub && { hub }) }, [
    facts(versions),
    backendTable(backends, findings),
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
    ...(memory ? [memoryTable(memory)] : []),
    ...(notTold === undefined ? [] : [`memory, not told: ${printable(notTold)}\n`]),
    ...(model ? [facts(model)] : []),
    ...(hub ? [filesTable(hub)] : []),
  ]);
  return usable && fits;
}

function print(json: boolean, value: object, parts: readonly string[]): void {
  process.stdout.write(json ? `${JSON.stringify(value, null, 2)}\n` : parts.join("\n"));
}

/** Lines are never cut: a command to type must be whole. */
function backendTable(statuses: readonly BackendStatus[], findings: readonly Finding[]): string {
  const leftOut = findings.flatMap((finding) => [["–", "left out", finding.what], ...because(finding)]);
  return table(["backend", "state", "library"], [...statuses.flatMap(rowsOf), ...leftOut], Number.POSITIVE_INFINITY);
}

function rowsOf(status: BackendStatus): string[][] {
  switch (status.state) {
    case "used":
      return [[status.backend, status.state, status.library]];
    case "not needed":
      return [[status.backend, status.state, status.reason]];
    case "not usable":
      return [[status.backend, status.state, status.what], ...because(status)];
  }
}

function because({ reason, fix }: Finding): string[][] {
  return [
    ["", "", `why: ${printable(reason)}`],
    ["", "", `fix: ${fix}`],
  ];
}

interface Told {
  /** Of loading; undefined = files of the hub are missing. */
  readonly options?: LoadOptions;
  readonly memory?: MemoryEstimate;
  /** Why not, of a model of the hub: the command still tells of its files. */
  readonly notTold?: string;
}

async function memoryOf(source: ModelSource, settings: ModelSettings, hub: HubFiles | undefined): Promise<Told> {
  const [file] = hub?.files ?? [];
  if (hub && file?.path === undefined) return {};
  const here: ModelSource = file?.path === undefined ? source : { kind: "file", path: file.path };
  try {
    const options = await loadOptions(here, settings, { onProgress: () => {}, logger: silent });
    return { options, memory: await estimate(options) };
  } catch (error) {
    if (!hub || !(error instanceof RerankError)) throw error;
    return { notTold: error.message };
  }
}

type Fact = string | number | VisionInfo | readonly DeviceMemory[];

async function modelFacts(source: ModelSource, options: LoadOptions): Promise<Record<string, Fact>> {
  await using reranker = await Reranker.load({ ...options, logger: silent });
  const { precision, reason } = reranker.precision;
  return { model: modelName(source), ...reranker.info, precision, precisionReason: reason };
}

function filesTable({ repository, revision, commit, cache, files }: HubFiles): string {
  const head = `model: ${repository} at ${revision}${commit === undefined ? "" : ` (${commit})`}, in ${cache}\n`;
  const lines = files.flatMap(({ file, path, state }) => [`  ${file}: ${state}`, ...(path === undefined ? [] : [`    ${path}`])]);
  return `${head}${lines.join("\n")}\n`;
}

function facts(record: Readonly<Record<string, Fact>>): string {
  return table(
    ["what", "is"],
    Object.entries(record).map(([name, value]) => [name, factText(value)]),
  );
}

function factText(value: Fact): string {
  if (typeof value !== "object") return printable(String(value));
  return "maxTokens" in value ? visionFact(value) : memoryFact(value);
}

function visionFact({ maxTokens, sizeBytes }: VisionInfo): string {
  return `images of up to ${maxTokens} tokens, ${gibibytes(sizeBytes)}`;
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
