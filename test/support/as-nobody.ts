/** Without root's right to read and write everywhere: CI runs as root, and what a user may not do is to be seen there too. */

import { chown, readdir } from "node:fs/promises";
import { join } from "node:path";

const nobody = 65_534;

/** `folder` and all that is in it becomes that user's for the time of the action, and stays so; its modes count from then on. */
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
