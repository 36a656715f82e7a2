import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { expect, test } from "vitest";
import { requestSignal } from "../../src/server/disconnect.js";

function response(): ServerResponse {
  return new ServerResponse(new IncomingMessage(new Socket()));
}

test("the signal aborts with client_closed when the response is closed before it is finished", () => {
  const open = response();
  using ended = requestSignal(open, 60_000);
  expect(ended.signal.aborted).toBe(false);
  open.emit("close");
  expect(ended.signal.reason).toMatchObject({ code: "client_closed" });
});

test("the signal aborts at once when the client had left already", () => {
  const gone = response();
  gone.destroy();
  using ended = requestSignal(gone, 60_000);
  expect(ended.signal.reason).toMatchObject({ code: "client_closed" });
});

test("the signal aborts with timeout when its time is up", async () => {
  using ended = requestSignal(response(), 1);
  await new Promise((resolve) => ended.signal.addEventListener("abort", resolve));
  expect(ended.signal.reason).toMatchObject({ code: "timeout" });
});

test("nothing is left on the response when the request is over, and closing it then aborts nothing", () => {
  const open = response();
  const before = open.listenerCount("close");
  const ended = requestSignal(open, 60_000);
  expect(open.listenerCount("close")).toBe(before + 1);
  ended[Symbol.dispose]();
  expect(open.listenerCount("close")).toBe(before);
  open.emit("close");
  expect(ended.signal.aborted).toBe(false);
});
