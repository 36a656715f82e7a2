/** Runs code as another user than root. CI runs as root, who may read and write everything, so denied access would not show. */

import { chown, readdir } from "node:fs/promises";
import { join } from "node:path";

const nobody = 65_534;

/** Runs `action` as the user nobody. Gives `folder` and everything in it to that user, for good, so its modes take effect. */
export async function asNobody<Value>(folder: string, action: () => Promise<Value>): Promise<Value> {
  const { getuid, seteuid, setegid } = process;
  if (getuid?.() !== 0 || !seteuid || !setegid) return action();
  for (const name of await readdir(folder, { recursive: true })) await chown(join(folder, name), nobody, nobody);
  await chown(folder, nobody, nobody);
  setegid(nobody);
  seteuid(nobody);
  try {
    return await action();
  } finally {
    seteuid(0);
    setegid(0);
  }
}
