/** What the server takes: asked for once the server is ready, because images depend on the model that it loaded. */

import { useEffect, useState } from "preact/hooks";
import { member, parseJson } from "../../../client/json.js";

/** Undefined = the server does not say, and decides when the request comes. */
export interface Limits {
  /** Whether it ranks images. */
  readonly images: boolean | undefined;
  readonly bodyBytes: number | undefined;
  /** Of one image. */
  readonly imageBytes: number | undefined;
  readonly imagePixels: number | undefined;
  /** Images in a request. */
  readonly imageCount: number | undefined;
}

/** Undefined until the server answered. */
export function useLimits(baseUrl: string, ready: boolean): Limits | undefined {
  const [limits, setLimits] = useState<Limits>();
  useEffect(() => {
    if (!ready) return;
    const left = new AbortController();
    fetch(`${baseUrl}/playground.json`, { signal: left.signal })
      .then((response) => response.text())
      .then(
        (body) => setLimits(readLimits(body)),
        // Left, or out of reach: then a request fails too, and says so.
        () => {},
      );
    return () => left.abort();
  }, [baseUrl, ready]);
  return limits;
}

/** Reads what src/server/playground/plugin.ts writes. */
function readLimits(body: string): Limits {
  const answer = parseJson(body);
  const images = member(answer, "images");
  const number = (name: string) => {
    const value = member(answer, name);
    return typeof value === "number" ? value : undefined;
  };
  return {
    images: typeof images === "boolean" ? images : undefined,
    bodyBytes: number("body_bytes"),
    imageBytes: number("image_bytes"),
    imagePixels: number("image_pixels"),
    imageCount: number("image_count"),
  };
}

/** The unit of BODY_LIMIT_MB and IMAGE_MAX_MB. */
export function megabytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toLocaleString("en", { maximumFractionDigits: 1 })} MB`;
}
