/**
 * Loads GPU backends. Each is tried once, when it is first wanted, and the reason of a failure is kept. A library is opened only
 * when its driver is installed and its checksum is right, so an unusable one does no harm.
 */

import { join } from "node:path";
import { RerankError } from "../errors.js";
import { type Addon, loadAddon } from "./addon.js";
import {
  driverAdvice,
  installCommand,
  missingBackend,
  refusalAdvice,
  renewCommand,
  type Unusable,
  unusedCard,
} from "./advice.js";
import { damageOf, damageOfLarge, installedPackage, type LibraryFolder, librariesOf, ownVersion } from "./library-folder.js";
import { type BackendName, backendLibrary, driverLibrary, type GpuBackend, gpuBackends, gpuPackage, target } from "./platform.js";

export type BackendChoice = "auto" | BackendName;

export type BackendStatus =
  | { readonly backend: BackendName; readonly state: "used"; readonly library: string }
  | { readonly backend: GpuBackend; readonly state: "not needed"; readonly reason: string }
  | ({ readonly backend: GpuBackend; readonly state: "not usable" } & Unusable);

const tried = new Map<GpuBackend, BackendStatus>();

/**
 * Loads the chosen backend. Rejects with backend_unavailable when it cannot be used; "auto" falls back to the CPU instead. Returns
 * a line for the log when a card waits for its package.
 */
export async function prepareBackend(choice: BackendChoice): Promise<string | undefined> {
  const statuses = await surveyBackends(choice);
  requireChosen(choice, statuses);
  if (statuses.some(({ backend, state }) => backend !== "cpu" && state === "used")) return undefined;
  return statuses
    .map((status) => (status.state === "not usable" ? unusedCard(status.backend, status) : undefined))
    .find((line) => line !== undefined);
}

/** The same, synchronously, for use while a module is loaded. Blocks while a GPU's library of hundreds of megabytes is read. */
export function prepareBackendNow(choice: BackendChoice): void {
  const steps = survey(choice);
  let step = steps.next();
  while (!step.done) step = steps.next(damageOf(step.value.folder, step.value.file));
  requireChosen(choice, step.value);
}

/** Loads the named backend, or with "auto" the first one with a device. Returns the status of each backend that was tried. */
export async function surveyBackends(choice: BackendChoice): Promise<readonly BackendStatus[]> {
  const steps = survey(choice);
  let step = steps.next();
  while (!step.done) step = steps.next(await damageOfLarge(step.value.folder, step.value.file));
  return step.value;
}

function requireChosen(choice: BackendChoice, statuses: readonly BackendStatus[]): void {
  for (const status of statuses) {
    if (status.state !== "not usable" || choice === "auto") continue;
    throw new RerankError("backend_unavailable", `backend ${choice}: ${status.what}: ${status.reason}. Fix: ${status.fix}`);
  }
}

/**
 * Yields each library whose checksum is to be compared, and expects the damage back; undefined = none. So the same steps serve
 * the synchronous and the asynchronous caller.
 */
type Survey<Result> = Generator<{ readonly folder: LibraryFolder; readonly file: string }, Result, string | undefined>;

function* survey(choice: BackendChoice): Survey<readonly BackendStatus[]> {
  const addon = loadAddon();
  const wanted = choice === "auto" ? gpuBackends : choice === "cpu" ? [] : [choice];
  const statuses: BackendStatus[] = [];
  for (const backend of wanted) {
    const first = statuses.find(({ state }) => state === "used");
    statuses.push(
      first ? { backend, state: "not needed", reason: `${first.backend} comes first` } : yield* tryBackend(addon, backend),
    );
  }
  const cpu = addon.binding.backends().libraries.find(({ backend }) => backend === "cpu");
  return cpu ? [...statuses, { backend: "cpu", state: "used", library: cpu.path }] : statuses;
}

function* tryBackend(addon: Addon, backend: GpuBackend): Survey<BackendStatus> {
  const status = settled(addon, backend) ?? (yield* attempt(addon, backend));
  tried.set(backend, status);
  return status;
}

function settled(addon: Addon, backend: GpuBackend): BackendStatus | undefined {
  return loadedAlready(addon, backend) ?? tried.get(backend);
}

function loadedAlready({ binding }: Addon, backend: GpuBackend): BackendStatus | undefined {
  const library = binding.backends().libraries.find((loaded) => loaded.backend === backend);
  return library && offersDevice(backend, binding) ? { backend, state: "used", library: library.path } : undefined;
}

function offersDevice(backend: GpuBackend, binding: Addon["binding"]): boolean {
  const name = backend === "metal" ? "mtl" : backend;
  return binding.backends().devices.some((device) => device.backend.toLowerCase() === name);
}

function* attempt(addon: Addon, backend: GpuBackend): Survey<BackendStatus> {
  const name = gpuPackage(backend);
  const unusable = (what: string, reason: string, fix: string): BackendStatus => ({
    backend,
    state: "not usable",
    what,
    reason,
    fix,
  });
  if (!gpuBackends.includes(backend))
    return unusable(backend, `it does not exist for ${target}`, `choose ${gpuBackends.join(" or ")}`);

  const file = backendLibrary(backend);
  const beside = librariesOf(addon.folder).includes(file) ? addon.folder : undefined;
  const installed = beside ? undefined : installedPackage(name);
  const driver = driverLibrary(backend);
  const noDriver = driver === undefined ? undefined : addon.binding.whyNotLoadable(driver);
  const folder: LibraryFolder | undefined = beside ?? installed;
  if (!folder) {
    return { backend, state: "not usable", ...missingBackend(backend, target, noDriver) };
  }
  const path = join(folder.directory, file);
  if (noDriver !== undefined) return unusable(path, `there is no driver: ${noDriver}`, driverAdvice(backend));
  if (installed && installed.manifest.version !== ownVersion) {
    return unusable(name, `is ${installed.manifest.version}, this is ${ownVersion}`, installCommand(name));
  }
  const damage = yield { folder, file };
  // While the checksum was computed, another load of this process may have finished.
  const meanwhile = settled(addon, backend);
  if (meanwhile) return meanwhile;
  if (damage !== undefined) return unusable(path, damage, renewCommand(folder));
  try {
    addon.binding.loadBackend([path]);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const reason = said.startsWith(`${path}: `) ? said.slice(path.length + 2) : said;
    return unusable(path, reason, refusalAdvice(backend, reason, folder));
  }
  return { backend, state: "used", library: path };
}
