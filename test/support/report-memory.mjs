/**
 * Loaded into a server with --expose-gc and --import: answers each message of the test with the bytes in use after a full
 * collection. TEST_LEAK_BYTES keeps that many of each request, on purpose: a test that cannot see them is worth nothing. They
 * are allocated by native code and told to V8, and so are seen on both sides.
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

/** What native code has of the system: all memory that is no file's, without V8's heap. Linux tells it, others do not. */
function nativeBytes(heapTotal) {
  if (process.platform !== "linux") return undefined;
  const [, kilobytes] = /^Anonymous:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/smaps_rollup", "utf8")) ?? [];
  return Number(kilobytes) * 1024 - heapTotal;
}

process.on("message", async () => {
  // What a finalizer lets go is only free after the next collection.
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await new Promise(setImmediate);
  }
  const { heapUsed, heapTotal, external } = process.memoryUsage();
  process.send({ heap: heapUsed + external, native: nativeBytes(heapTotal) });
});
// Not a reason to stay.
process.channel.unref();
