/** Where the service is: what a client may be given, and how an address is told without what is secret in it. */

/** Without a slash at its end. Throws a TypeError that repeats nothing: an address that cannot be read may hold a password. */
export function baseAddress(given: string | URL): string {
  const url = parse(given);
  if (!url || !/^https?:$/.test(url.protocol)) throw new TypeError("baseUrl: expected an http or https address");
  if (url.username !== "" || url.password !== "") {
    throw new TypeError(
      "baseUrl: expected an address without user and password, which fetch does not send; a key goes into apiKey",
    );
  }
  if (url.search !== "" || url.hash !== "") throw new TypeError("baseUrl: expected an address without ? and #");
  return String(given).replace(/\/+$/, "");
}

/** Where an answer came from, without its query, when the service had sent the request on. */
export function redirectedTo({ redirected, url }: Response): string | undefined {
  const place = redirected ? parse(url) : undefined;
  return place && `${place.origin}${place.pathname}`;
}

function parse(given: string | URL): URL | undefined {
  try {
    return new URL(given);
  } catch {
    return undefined;
  }
}
