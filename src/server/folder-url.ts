/** Addresses of pages whose links are relative: these hold only below an address that ends in a slash. */

/**
 * Where to send a browser that asked for `url` without the slash; undefined = it has one. Relative, because what a proxy put
 * before the path is not known here; with "./", because a name may hold a colon, and would be read as a scheme.
 */
export function withSlash(url: string): string | undefined {
  const [path = "", query] = url.split("?", 2);
  if (path.endsWith("/")) return undefined;
  const name = path.slice(path.lastIndexOf("/") + 1);
  return `./${name}/${query === undefined ? "" : `?${query}`}`;
}
