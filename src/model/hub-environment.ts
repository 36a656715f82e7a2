/** The hub's address, the credentials for it and its cache folder, read from the variables that every client of the hub reads. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import querystring from "node:querystring";
import { RerankError } from "../errors.js";
import { homeFolder } from "../files/cache-folder.js";
import type { Settings } from "../settings/table.js";

export type HubSettings = Pick<Settings, "hfEndpoint" | "hfToken" | "hfHome" | "hfHubCache" | "hfHubOffline">;

export interface HubEnvironment {
  /** Without a slash at its end. Without user and password, because messages name it. */
  readonly endpoint: string;
  /** Value of the `authorization` header; undefined = requests are anonymous. */
  readonly authorization: string | undefined;
  /** The folder of `models--…`; not created here. */
  readonly cacheDirectory: string;
  /** True: the hub is never asked, only the cache is used. */
  readonly offline: boolean;
}

export async function hubEnvironment(
  settings: HubSettings,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<HubEnvironment> {
  const home = expand(
    settings.hfHome ?? join(environment.XDG_CACHE_HOME || join(homeFolder("HF_HOME"), ".cache"), "huggingface"),
  );
  const tokenPath = expand(environment.HF_TOKEN_PATH || join(home, "token"));
  const token = settings.hfToken ?? environment.HUGGING_FACE_HUB_TOKEN ?? (await readFile(tokenPath, "utf8").catch(() => ""));
  // Checked here, because fetch refuses such a header with a message that repeats the token.
  if (!/^[\x21-\x7e]*$/.test(token.trim())) {
    throw new RerankError(
      "invalid_option",
      `HUGGING_FACE_HUB_TOKEN, or the file ${tokenPath}: expected a token without spaces, got something else`,
    );
  }
  const { endpoint, credentials } = withoutCredentials(settings.hfEndpoint);
  return {
    endpoint,
    authorization: credentials ?? (token.trim() ? `Bearer ${token.trim()}` : undefined),
    cacheDirectory: expand(settings.hfHubCache ?? (environment.HUGGINGFACE_HUB_CACHE || join(home, "hub"))),
    offline: settings.hfHubOffline,
  };
}

/**
 * `https://user:password@mirror` becomes Basic authentication. It comes before the token, because it is meant for that mirror.
 */
function withoutCredentials(address: string): { endpoint: string; credentials: string | undefined } {
  const url = new URL(address);
  const { username, password } = url;
  url.username = "";
  url.password = "";
  const endpoint = url.href.replace(/\/+$/, "");
  if (username === "" && password === "") return { endpoint, credentials: undefined };
  const pair = `${querystring.unescape(username)}:${querystring.unescape(password)}`;
  return { endpoint, credentials: `Basic ${Buffer.from(pair).toString("base64")}` };
}

function expand(path: string): string {
  return path === "~" || path.startsWith("~/") ? join(homeFolder("HF_HOME"), path.slice(1)) : path;
}
