/** Names that come from outside (a hub, an archive, a variable) become paths here, and never leave the folder they belong in. */

import native from "node:path";

/**
 * The path that `parts` name in `folder`; undefined = they name the folder itself, or something outside of it. Looks at names
 * only: where links may lie, give it real paths. An absolute part is taken as it is, so it tells whether a path lies in the folder.
 */
export function pathInside(folder: string, ...parts: readonly string[]): string | undefined {
  return pathInsideOn(native, folder, parts);
}

/** The same by the rules of `paths`, win32 or posix. */
export function pathInsideOn(paths: native.PlatformPath, folder: string, parts: readonly string[]): string | undefined {
  if (parts.some((part) => part.includes("\0") || (paths === native.win32 && isSpecial(part, paths)))) return undefined;
  const path = paths.resolve(folder, ...parts);
  const relative = paths.relative(folder, path);
  const outside = relative === "" || relative === ".." || relative.startsWith(`..${paths.sep}`) || paths.isAbsolute(relative);
  return outside ? undefined : path;
}

/** On Windows `name:stream` is another file's stream; `C:name` is relative to a folder of that drive. */
function isSpecial(part: string, paths: native.PlatformPath): boolean {
  const { root } = paths.parse(part);
  return part.slice(root.length).includes(":") || (root.endsWith(":") && !paths.isAbsolute(part));
}
