/** Where the hub is, who asks it and where its cache is, read as every client of the hub reads them. */

import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Settings } from "../settings.js";

export type HubSettings = Pick<Settings, "hfEndpoint" | "hfToken" | "hfHome" | "hfHubCache" | "hfHubOffline">;

export interface HubEnvironment {
  /** Without a slash at the end. */
  readonly endpoint: string;
  readonly token: string | undefined;
  /** The folder of `models--…`; not created here. */
  readonly cacheDirectory: string;
  /** Nothing is asked, what is in the cache is used. */
  readonly offline: boolean;
}

export async function hubEnvironment(
  settings: HubSettings,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<HubEnvironment> {
  const home = expand(settings.hfHome ?? join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "huggingface"));
  const tokenPath = expand(environment.HF_TOKEN_PATH || join(home, "token"));
  const token = settings.hfToken ?? environment.HUGGING_FACE_HUB_TOKEN ?? (await readFile(tokenPath, "utf8").catch(() => ""));
  return {
    endpoint: settings.hfEndpoint.replace(/\/+$/, ""),
    token: token.trim() || undefined,
    cacheDirectory: expand(settings.hfHubCache ?? (environment.HUGGINGFACE_HUB_CACHE || join(home, "hub"))),
    offline: settings.hfHubOffline,
  };
}

function expand(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path;
}
