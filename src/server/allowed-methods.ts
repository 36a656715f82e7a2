/** Which methods a path has routes for, for answers that say so. The router's own search takes paths for patterns. */

import type { RouteOptions } from "fastify";

export class AllowedMethods {
  readonly #routes: { readonly method: string; readonly matches: (path: string) => boolean }[] = [];

  add({ method, url }: Pick<RouteOptions, "method" | "url">): void {
    for (const one of [method].flat()) this.#routes.push({ method: one.toUpperCase(), matches: matcher(url) });
  }

  /** In alphabetical order, each once. `url` is as the client sent it. */
  of(url: string): string[] {
    const path = normal(url);
    return [...new Set(this.#routes.flatMap(({ method, matches }) => (matches(path) ? [method] : [])))].toSorted();
  }
}

/** A route's path may end in `*`, which stands for anything, or in `:name`, which stands for a name. */
function matcher(url: string): (path: string) => boolean {
  const route = normal(url);
  const open = route.match(/^(.*\/)(\*|:\w+)$/);
  if (!open) return (path) => path === route;
  const [, folder = "/", rest] = open;
  return (path) =>
    path.startsWith(folder) && path.length > folder.length && (rest === "*" || !path.slice(folder.length).includes("/"));
}

/** Doubled slashes, and one at the end, make no difference. */
function normal(url: string): string {
  const [path = "/"] = url.split("?", 1);
  return path.replace(/\/{2,}/g, "/").replace(/(?<=.)\/$/, "");
}
