import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { expect, test } from "vitest";
import { endedWithin } from "./command.js";
import { event, until, within } from "./until.js";

test("the error names what did not happen in time", async () => {
  let counter = 0;
  await expect(until(() => counter++ < 0, 20)).rejects.toThrow("waited 0.02 s in vain until () => counter++ < 0");
  await expect(within(new Promise(() => {}), () => "the first batch", 20)).rejects.toThrow(
    "waited 0.02 s in vain for the first batch",
  );
  await expect(event(new EventEmitter(), "close", "the client", 20)).rejects.toThrow('in vain for "close" of the client');
});

test("a value or a failure is passed on", async () => {
  await expect(until(() => true)).resolves.toBeUndefined();
  await expect(until(() => Promise.reject(new Error("haproxy ended")))).rejects.toThrow("haproxy ended");
  await expect(within(Promise.resolve(7), () => "seven")).resolves.toBe(7);
  await expect(within(Promise.reject(new Error("gone")), () => "seven")).rejects.toThrow("gone");
  const emitter = new EventEmitter();
  const next = event(emitter, "answer", "the server");
  emitter.emit("answer", 7);
  await expect(next).resolves.toEqual([7]);
});

test("a process that does not end in time is killed", async () => {
  const child = spawn(process.execPath, ["--eval", "setInterval(() => {}, 1000)"]);
  const closed = once(child, "close");
  await expect(endedWithin(child, closed, "an endless program", 20)).rejects.toThrow("the end of: an endless program");
  expect(await closed).toEqual([null, "SIGKILL"]);
});
