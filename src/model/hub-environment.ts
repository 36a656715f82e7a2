/** Where the hub is, who asks it and where its cache is, read as every client of the hub reads them. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import querystring from "node:querystring";
import { RerankError } from "../errors.js";
import { homeFolder } from "../files/cache-folder.js";
import type { Settings } from "../settings/table.js";

export type HubSettings = Pick<Settings, "hfEndpoint" | "hfToken" | "hfHome" | "hfHubCache" | "hfHubOffline">;

export interface HubEnvironment {
  /** Without a slash at the end, and without a user and a password: it is named in messages. */
  readonly endpoint: string;
  /** The header that says who asks; undefined = nobody in particular. */
  readonly authorization: string | undefined;
  /** The folder of `models--…`; not created here. */
  readonly cacheDirectory: string;
  /** Nothing is asked, what is in the cache is used. */
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
  // As a header it would be refused with a message that repeats it.
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

/** `https://user:password@mirror` is asked with Basic, as it is meant for that mirror alone; a token is for any. */
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
