/**
 * Loaded into a server with --expose-gc and --import. It answers each message of the test with the bytes in use after a full
 * garbage collection. TEST_LEAK_BYTES leaks that many bytes at each request, to prove that the test sees leaks. The bytes are
 * allocated by native code and reported to V8, so both measures see them.
 */

import { readFileSync } from "node:fs";
import { Server } from "node:http";

const leak = Number(process.env.TEST_LEAK_BYTES ?? 0);
const kept = [];
if (leak > 0) {
  const { emit } = Server.prototype;
  Server.prototype.emit = function (event, ...rest) {
    if (event === "request") kept.push(Buffer.allocUnsafeSlow(leak).fill(1));
    return emit.call(this, event, ...rest);
  };
}

/** Memory of native code: anonymous memory of the process minus V8's heap. Linux only. */
function nativeBytes(heapTotal) {
  if (process.platform !== "linux") return undefined;
  const [, kilobytes] = /^Anonymous:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/smaps_rollup", "utf8")) ?? [];
  return Number(kilobytes) * 1024 - heapTotal;
}

process.on("message", async () => {
  // Memory that a finalizer releases is free only after the next collection.
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await new Promise(setImmediate);
  }
  const { heapUsed, heapTotal, external } = process.memoryUsage();
  process.send({ heap: heapUsed + external, native: nativeBytes(heapTotal) });
});
// The channel must not keep the process alive.
process.channel.unref();
