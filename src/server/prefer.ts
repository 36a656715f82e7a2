/** The header `Prefer` of RFC 7240. Pure. */

/**
 * Seconds of the preference `wait`: how long the client would wait. undefined = there is none, or none that makes sense, which the RFC
 * wants ignored. Of several the first counts.
 */
export function preferredWait(header: string | string[] | undefined): number | undefined {
  const preferences = [header ?? []].flat().join(",").split(",").map(read);
  const seconds = preferences.find(({ name, value }) => name === "wait" && value !== undefined)?.value ?? "";
  return /^0*[1-9]\d{0,8}$/.test(seconds) ? Number(seconds) : undefined;
}

/** Of `name = "value"; parameters`. Without an expression for all of it, whose time may grow with the cube of a header's length. */
function read(preference: string): { readonly name: string; readonly value: string | undefined } {
  const [text = ""] = preference.split(";", 1);
  const [name = "", ...value] = text.split("=").map((part) => part.trim());
  return { name: name.toLowerCase(), value: value.length === 0 ? undefined : value.join("=").replace(/^"(.*)"$/, "$1") };
}
