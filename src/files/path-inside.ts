/** Turns names from outside (a hub, an archive, a variable) into paths that never leave their folder. */

import native from "node:path";

/**
 * The path that `parts` name inside `folder`; undefined = they name the folder itself or something outside. It follows no links:
 * where links are possible, pass real paths. An absolute part replaces what is before it, so this also tells whether a path lies
 * inside the folder.
 */
export function pathInside(folder: string, ...parts: readonly string[]): string | undefined {
  return pathInsideOn(native, folder, parts);
}

/** The same with the rules of `paths`, win32 or posix. */
export function pathInsideOn(paths: native.PlatformPath, folder: string, parts: readonly string[]): string | undefined {
  if (parts.some((part) => part.includes("\0") || (paths === native.win32 && isSpecial(part, paths)))) return undefined;
  const path = paths.resolve(folder, ...parts);
  const relative = paths.relative(folder, path);
  const outside = relative === "" || relative === ".." || relative.startsWith(`..${paths.sep}`) || paths.isAbsolute(relative);
  return outside ? undefined : path;
}

/** On Windows `name:stream` is a stream of the file `name`, and `C:name` is relative to the current folder of drive C. */
function isSpecial(part: string, paths: native.PlatformPath): boolean {
  const { root } = paths.parse(part);
  return part.slice(root.length).includes(":") || (root.endsWith(":") && !paths.isAbsolute(part));
}
