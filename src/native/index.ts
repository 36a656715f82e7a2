/**
 * `jina-reranker/native`: the addon's exports, typed by binding.d.ts, with the backends that BACKEND asks for loaded. For
 * whoever calls the engine directly; the library itself loads a backend when a model is loaded with it.
 */

import { readSettings } from "../settings/table.js";
import { loadAddon } from "./addon.js";
import { prepareBackendNow } from "./backends.js";

export const native = loadAddon().binding;
prepareBackendNow(readSettings(["backend"], {}, process.env).backend);

export const { Engine, backends, inspect, loadBackend, loadBackends, quantize, setLogSink, version, whyNotLoadable } = native;
