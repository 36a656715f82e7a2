/** Checks bodies against their TypeBox schemas. An error names the field, what was expected and what came. */

import type { Static, TSchema } from "typebox";
import { Compile } from "typebox/compile";
import { kindOf, RerankError } from "../errors.js";
import { tolerate, ValueBudget } from "./tolerance.js";

interface Fault {
  readonly keyword: string;
  readonly schemaPath: string;
  readonly instancePath: string;
  readonly params: object;
}

export type Checked<Schema extends TSchema> = { value: Static<Schema> } | { error: RerankError };

/**
 * Converts what every dialect accepts, then checks strictly, so that a route gets exactly the schema's type. `mostValues`: items and
 * fields that a body may have.
 */
export function validator<Schema extends TSchema>(
  schema: Schema,
  mostValues = () => Number.POSITIVE_INFINITY,
): (body: unknown) => Checked<Schema> {
  const compiled = Compile(schema);
  return (body) => {
    try {
      const value = tolerate(schema, body, new ValueBudget(mostValues()));
      if (compiled.Check(value)) return { value };
      return { error: new RerankError("invalid_request", describe(schema, value, compiled.Errors(value))) };
    } catch (error) {
      if (error instanceof RerankError) return { error };
      throw error;
    }
  };
}

/** For bodies of several shapes: checks against the shape that `shapeOf` chooses, so that errors are about that shape only. */
export function shapeValidator(
  shapeOf: (body: unknown) => TSchema,
  mostValues: () => number,
): (body: unknown) => Checked<TSchema> {
  const validators = new Map<TSchema, ReturnType<typeof validator<TSchema>>>();
  return (body) => {
    const shape = shapeOf(body);
    const known = validators.get(shape) ?? validator(shape, mostValues);
    validators.set(shape, known);
    return known(body);
  };
}

function describe(schema: TSchema, body: unknown, faults: readonly Fault[]): string {
  // A field that is not allowed is a fault of its object, whose own names may be told.
  const fault = mostTelling(faults.filter(({ keyword }) => keyword !== "boolean"));
  if (!fault) return "body: not as expected";
  const missing = "requiredProperties" in fault.params ? fault.params.requiredProperties : undefined;
  if (Array.isArray(missing)) {
    const path = `${fault.instancePath}/${String(missing[0])}`;
    const field = step(step(at(schema, fault.schemaPath), "properties"), String(missing[0]));
    return `${fieldName(path)}: expected ${expectation(field)}, got nothing`;
  }
  const value = at(body, fault.instancePath);
  return `${fieldName(fault.instancePath)}: expected ${expectation(at(schema, fault.schemaPath))}, got ${kindOf(value)}`;
}

/** For a union: the fault inside the branch that fits best, else the union's own. */
function mostTelling(faults: readonly Fault[]): Fault | undefined {
  const [first] = faults;
  if (!first) return undefined;
  const inside = faults.find(({ instancePath }) => instancePath.startsWith(`${first.instancePath}/`));
  if (inside) return mostTelling(faults.slice(faults.indexOf(inside)));
  return faults.find(({ keyword, instancePath }) => keyword === "anyOf" && instancePath === first.instancePath) ?? first;
}

function expectation(schema: unknown): string {
  const title = step(schema, "title");
  if (typeof title === "string") return title;
  switch (step(schema, "type")) {
    case "string":
      return "a string";
    case "boolean":
      return "true or false";
    case "integer": {
      const [minimum, maximum] = [step(schema, "minimum"), step(schema, "maximum")];
      if (typeof minimum === "number" && typeof maximum === "number") return `a whole number from ${minimum} to ${maximum}`;
      return typeof minimum === "number" ? `a whole number of at least ${minimum}` : "a whole number";
    }
    case "number":
      return "a number";
    case "array": {
      const most = step(schema, "maxItems");
      return typeof most === "number" ? `an array of at most ${most}` : "an array";
    }
    default:
      return "an object";
  }
}

function fieldName(instancePath: string): string {
  const name = segments(instancePath).reduce(
    (path, segment) => (/^\d+$/.test(segment) ? `${path}[${segment}]` : path === "" ? segment : `${path}.${segment}`),
    "",
  );
  return name === "" ? "body" : name;
}

/** The parts of a JSON pointer, without the # that begins a schema's pointer. */
function segments(pointer: string): string[] {
  return pointer
    .split("/")
    .slice(1)
    .map((segment) => segment.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function at(root: unknown, pointer: string): unknown {
  return segments(pointer).reduce(step, root);
}

function step(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined;
}
