/** The version in this package's manifest. */

import { readFileSync } from "node:fs";

/** The relative path is the same from src/ and from dist/. */
const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

const version = typeof manifest === "object" && manifest !== null && "version" in manifest ? manifest.version : undefined;

export const packageVersion = typeof version === "string" ? version : "unknown";
