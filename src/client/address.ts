/** The service's address: which ones a client accepts, and how messages name it without secrets. */

/** The address without a slash at its end. Throws a TypeError that does not repeat it: an invalid address may hold a password. */
export function baseAddress(given: string | URL): string {
  const url = parse(given);
  if (!url || !/^https?:$/.test(url.protocol)) throw new TypeError("baseUrl: expected an http or https address");
  if (url.username !== "" || url.password !== "") {
    throw new TypeError(
      "baseUrl: expected an address without user and password, which fetch does not send; pass a key as apiKey",
    );
  }
  if (url.search !== "" || url.hash !== "") throw new TypeError("baseUrl: expected an address without ? and #");
  return String(given).replace(/\/+$/, "");
}

/** The address, without its query, that the request was redirected to; undefined = it was not redirected. */
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
