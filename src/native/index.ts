/**
 * `jina-reranker/native`: the addon's exports, typed by binding.d.ts, for programs that call the engine directly. It loads the
 * backends that BACKEND asks for; the library itself loads a backend together with the first model that needs it.
 */

import { readSettings } from "../settings/read.js";
import { loadAddon } from "./addon.js";
import { prepareBackendNow } from "./backends.js";

export const native = loadAddon().binding;
prepareBackendNow(readSettings(["backend"], {}, process.env).backend);

export const { Engine, backends, estimate, inspect, loadBackend, loadBackends, quantize, setLogSink, version, whyNotLoadable } =
  native;
