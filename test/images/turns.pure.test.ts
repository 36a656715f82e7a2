import { expect, test } from "vitest";
import { Turns } from "../../src/images/turns.js";

function gate() {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open, opened };
}

test("so many run at a time, and the others in their order, also after a failure", async () => {
  const turns = new Turns(2);
  const gates = [gate(), gate(), gate(), gate()];
  const started: number[] = [];
  const done = gates.map(({ opened }, index) =>
    turns.take(undefined, async () => {
      started.push(index);
      await opened;
      if (index === 0) throw new Error("the first fails");
      return index;
    }),
  );
  expect(started).toEqual([0, 1]);
  gates[0]?.open();
  await expect(done[0]).rejects.toThrow("the first fails");
  expect(started).toEqual([0, 1, 2]);
  for (const { open } of gates) open();
  expect(await Promise.all(done.slice(1))).toEqual([1, 2, 3]);
});

test("who gives up while waiting leaves the queue, and no turn is lost", async () => {
  const turns = new Turns(1);
  const first = gate();
  const running = turns.take(undefined, () => first.opened);
  const leaver = new AbortController();
  const waiting = turns.take(leaver.signal, async () => "never");
  const next = turns.take(undefined, async () => "next");
  leaver.abort(new Error("left"));
  await expect(waiting).rejects.toThrow("left");
  first.open();
  await running;
  expect(await next).toBe("next");
  await expect(turns.take(leaver.signal, async () => "never")).rejects.toThrow("left");
  expect(await turns.take(undefined, async () => "free")).toBe("free");
});
