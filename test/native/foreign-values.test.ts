/**
 * Values that are no engines, where an engine's own belong: objects and Externals of another addon, proxies, bare prototypes.
 * Believed, their pointers would end the process, so each test has a process of its own.
 */

import { join } from "node:path";
import { expect, it } from "vitest";
import { runNative } from "../support/native-process.js";
import { randomModel, wideShape } from "../support/random-models.js";

const addon = JSON.stringify(join(import.meta.dirname, "../../build/tests/foreign-addon.node"));

const prelude = `
  const { exports: foreign } = (() => { const module = { exports: {} }; process.dlopen(module, ${addon}); return module; })();
  const { Engine } = native;
  /** What a call threw: the code of a NativeError, or TypeError. */
  const thrown = async (call) => {
    try {
      await call();
      return "nothing";
    } catch (error) {
      return error.code ?? error.name;
    }
  };`;

async function answers(body: string): Promise<unknown> {
  const ended = await runNative(await randomModel({ ...wideShape, layers: 2 }), prelude + body);
  expect(ended).toMatchObject({ code: 0, signal: null });
  return JSON.parse(ended.output);
}

it("a method of Engine called on anything else throws, and the engine scores on", async () => {
  const { errors, scores } = (await answers(`
    const engine = await Engine.load(options);
    const impostors = {
      object: {}, number: 5, nothing: undefined, prototype: Engine.prototype, heir: Object.create(Engine.prototype),
      proxy: new Proxy(engine, {}), external: foreign.external, wrapped: foreign.wrapped,
      disguised: Object.setPrototypeOf(foreign.disguised, Engine.prototype), below: Object.create(engine),
    };
    const errors = {};
    for (const [name, impostor] of Object.entries(impostors)) {
      for (const [member, { value, get }] of Object.entries(Object.getOwnPropertyDescriptors(Engine.prototype))) {
        if (member === "constructor") continue;
        errors[name + "." + member] = await thrown(() => Reflect.apply(value ?? get, impostor, [{ query: "q", documents: ["a"] }]));
      }
    }
    const { scores } = await engine.submit({ query: "q", documents: ["a"] }).result;
    console.log(JSON.stringify({ errors, scores: scores.length }));`)) as { errors: Record<string, string>; scores: number };
  expect(scores).toBe(1);
  expect(Object.keys(errors)).toHaveLength(70);
  for (const [call, error] of Object.entries(errors)) expect(["invalid_argument", "TypeError"], call).toContain(error);
});

it("an Engine cannot be made of another addon's External, nor of anything that JavaScript has", async () => {
  const errors = (await answers(`
    class Mine extends Engine {}
    const errors = [];
    for (const argument of [foreign.external, foreign.wrapped, {}, new Proxy({}, {}), 5, null, undefined]) {
      errors.push(await thrown(() => new Engine(argument)));
      errors.push(await thrown(() => new Mine(argument)));
      errors.push(await thrown(() => Reflect.construct(Engine, [argument], class {})));
      errors.push(await thrown(() => Engine(argument)));
    }
    console.log(JSON.stringify(errors));`)) as string[];
  expect(errors).toEqual(Array(28).fill("invalid_argument"));
});
