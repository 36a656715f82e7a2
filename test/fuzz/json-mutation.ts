/** Damages valid JSON: replaces values, adds and drops fields, then changes bytes. */

import type { Chance } from "./random.js";

const lone = "\ud83d";
const values: readonly [unknown, ...unknown[]] = [
  null,
  ...[true, false, 0, -1, 1, 3, 0.5, 1e308, -0, 2 ** 53, "", " ", "3", "True", "false", "-1", "0.5", lone, `a${lone}b`],
  ...["\0", "\u2028", "<|box_end|>", "x".repeat(5000), [], {}, [[]], [null], [1, 2], ["a", "b"], [{}], ["a", null]],
  ...[{ text: "a" }, { text: 1 }, { text: null }, { content: "a" }, { content: [] }, { content: [{ type: "text", text: "a" }] }],
  ...[
    { content: [{ type: "image_url", image_url: { url: "x" } }] },
    { image: "x" },
    { type: "image_url" },
    { image: "data:image/png;base64,AAAA", text: "a" },
    { image: { url: "x" }, image_url: ["x"] },
    { type: "image", format: "base64", value: lone },
    { title: "a", year: 1 },
  ],
  ...[{ content: { content: "a" } }, { "": "" }, { [lone]: lone }, { toString: "a" }, { length: 1 }, { constructor: 1 }],
];

const names = [
  ...[
    "query",
    "documents",
    "texts",
    "text_1",
    "text_2",
    "queries",
    "items",
    "data_1",
    "data_2",
    "model",
    "top_k",
    "top_n",
    "min_score",
    "return_documents",
  ],
  ...["rank_fields", "max_chunks_per_doc", "max_tokens_per_doc", "truncate", "truncation_direction", "priority", "raw_scores"],
  ...[
    "use_activation",
    "instruction",
    "instruct",
    "passages",
    "truncate_prompt_tokens",
    "return_text",
    "user",
    "__proto__",
    "constructor",
  ],
] as const;

/** A field name; most of them have a meaning in some dialect. */
function name(chance: Chance): string {
  return names[chance.below(names.length)] ?? "query";
}

/** A copy with a few changes. */
export function mutated(chance: Chance, value: unknown): unknown {
  let result = value;
  for (let changes = chance.below(4); changes > 0; changes--) result = changed(chance, result, 0);
  return result;
}

function changed(chance: Chance, value: unknown, depth: number): unknown {
  const within = typeof value === "object" && value !== null && depth < 6;
  if (!within || chance.once(8)) return chance.once(20) ? deep(chance) : chance.of(values);
  if (Array.isArray(value)) {
    const at = chance.below(value.length + 1);
    const item: unknown = value[at];
    return chance.once(4) ? value.toSpliced(at, 1) : value.toSpliced(at, 1, changed(chance, item ?? "a", depth + 1));
  }
  const entries = Object.entries(value);
  const at = chance.below(entries.length + 1);
  const [key, item] = entries[at] ?? [name(chance), chance.of(values)];
  if (chance.once(6)) return Object.fromEntries(entries.toSpliced(at, 1));
  return Object.fromEntries(
    entries.toSpliced(at, 1, [key, chance.once(2) ? chance.of(values) : changed(chance, item, depth + 1)]),
  );
}

function deep(chance: Chance): unknown {
  let value: unknown = "a";
  for (let levels = chance.below(300); levels > 0; levels--) value = chance.once(2) ? [value] : { content: value };
  return value;
}

/** Flips, removes, repeats or inserts bytes. */
export function garbled(chance: Chance, bytes: Buffer): Buffer {
  let result = Buffer.from(bytes);
  for (let changes = 1 + chance.below(3); changes > 0 && result.length > 0; changes--) {
    const at = chance.below(result.length);
    const end = Math.min(result.length, at + 1 + chance.below(20));
    switch (chance.below(4)) {
      case 0:
        result[at] = chance.below(256);
        break;
      case 1:
        result = Buffer.concat([result.subarray(0, at), result.subarray(end)]);
        break;
      case 2:
        result = Buffer.concat([result.subarray(0, end), result.subarray(at)]);
        break;
      default:
        result = Buffer.concat([
          result.subarray(0, at),
          Buffer.from(chance.of(["\\ud800", "1e999", "\xff", "[[[[", '":"', "\0"]), "latin1"),
          result.subarray(at),
        ]);
    }
  }
  return result;
}
