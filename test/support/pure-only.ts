/** Set-up of the project `pure`: what its tests may not do throws. They run side by side, and need nothing that is built. */

import childProcess from "node:child_process";
import { syncBuiltinESMExports } from "node:module";
import { Server } from "node:net";

function refuse(what: string): () => never {
  return () => {
    throw new Error(`a test in a file named .pure.test.ts may not ${what}`);
  };
}

const start = refuse("start a process");
Object.assign(childProcess, {
  ...{ exec: start, execFile: start, execFileSync: start, execSync: start, fork: start, spawn: start, spawnSync: start },
});
syncBuiltinESMExports();
Server.prototype.listen = refuse("listen on a port");
process.dlopen = refuse("load the addon");
