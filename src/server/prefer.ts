/** The header `Prefer` of RFC 7240. Pure. */

/**
 * Seconds of the preference `wait`: how long the client would wait. undefined = there is none, or none that makes sense, which the RFC
 * wants ignored. Of several the first counts.
 */
export function preferredWait(header: string | string[] | undefined): number | undefined {
  const preferences = [header ?? []].flat().join(",").split(",");
  const waits = preferences.flatMap(
    (preference) => preference.match(/^\s*wait\s*=\s*"?([^";]*?)"?\s*(?:;.*)?$/i)?.slice(1) ?? [],
  );
  const [seconds = ""] = waits;
  return /^0*[1-9]\d{0,8}$/.test(seconds) ? Number(seconds) : undefined;
}
