/** The kinds of values that settings have. A kind reads a value from text and checks a value that the library was given. */

export interface Kind<Value> {
  /** Completes "expected …" in messages. */
  readonly allowed: string;
  /** The value's name in --help; null = the flag takes no value. */
  readonly placeholder: string | null;
  /** undefined = the text is not such a value. */
  parse(text: string): Value | undefined;
  accepts(value: unknown): value is Value;
}

/** `automatic`: 0 is allowed too, and lets the program decide. */
export function wholeNumber(minimum: number, maximum: number, automatic = false): Kind<number> {
  const accepts = (value: unknown): value is number =>
    typeof value === "number" &&
    Number.isInteger(value) &&
    ((value >= minimum && value <= maximum) || (automatic && value === 0));
  return {
    allowed: `a whole number from ${minimum} to ${maximum}${automatic ? ", or 0 for automatic" : ""}`,
    placeholder: "<number>",
    parse: (text) => {
      const value = /^\d+$/.test(text.trim()) ? Number(text) : undefined;
      return accepts(value) ? value : undefined;
    },
    accepts,
  };
}

export function oneOf<const Value extends string>(...values: readonly Value[]): Kind<Value> {
  return {
    allowed: `one of ${values.join(", ")}`,
    placeholder: `<${values.join("|")}>`,
    parse: (text) => values.find((value) => value === text.trim().toLowerCase()),
    accepts: (value): value is Value => values.some((candidate) => candidate === value),
  };
}

/** Text that is not empty and has no NUL, which neither a path nor a host name can hold. */
export function text(what: string, placeholder: string): Kind<string> {
  const accepts = (value: unknown): value is string => typeof value === "string" && value !== "" && !value.includes("\0");
  return { allowed: what, placeholder, parse: (value) => (accepts(value) ? value : undefined), accepts };
}

export function pattern(what: string, placeholder: string, expression: RegExp): Kind<string> {
  const accepts = (value: unknown): value is string => typeof value === "string" && expression.test(value);
  return { allowed: what, placeholder, parse: (value) => (accepts(value.trim()) ? value.trim() : undefined), accepts };
}

/** Neither part is "." or "..": in an address they would name another folder. */
export const repositoryName = pattern("a repository as owner/name", "<owner/name>", /^(?!\.+\/)[\w.-]+\/(?!\.+$)[\w.-]+$/);

export const address: Kind<string> = (() => {
  const written = pattern("an http or https address", "<url>", /^https?:\/\/[^\s?#]+$/);
  const accepts = (value: unknown): value is string => written.accepts(value) && URL.canParse(value);
  return { ...written, accepts, parse: (value) => (accepts(value.trim()) ? value.trim() : undefined) };
})();

/** One or more items, separated by commas. */
export function list(what: string, placeholder: string, expression: RegExp): Kind<readonly string[]> {
  const accepts = (value: unknown): value is readonly string[] =>
    Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === "string" && expression.test(item));
  return {
    allowed: what,
    placeholder,
    parse: (value) => {
      const items = value.split(",").flatMap((item) => item.trim() || []);
      return accepts(items) ? items : undefined;
    },
    accepts,
  };
}

/** With a placeholder the flag takes a value, for settings that are on by default: a bare switch could not turn them off. */
export function toggle(placeholder: string | null = null): Kind<boolean> {
  const words = new Map([
    ["true", true],
    ["1", true],
    ["yes", true],
    ["on", true],
    ["false", false],
    ["0", false],
    ["no", false],
    ["off", false],
  ]);
  return {
    allowed: "true or false",
    placeholder,
    parse: (value) => words.get(value.trim().toLowerCase()),
    accepts: (value): value is boolean => typeof value === "boolean",
  };
}
