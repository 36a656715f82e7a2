/** The table of fields in docs/http.md says of each dialect what the service does. */

import { IsObject, IsUnion, type TSchema } from "typebox";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cohereV2 } from "../../src/wire/cohere-v2.js";
import { jina } from "../../src/wire/jina.js";
import { NativeRequest } from "../../src/wire/native.js";
import { tei } from "../../src/wire/tei.js";
import { vllmScore } from "../../src/wire/vllm-score.js";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { readPage } from "../support/pages.js";

interface Column {
  readonly heading: string;
  readonly path: string;
  readonly body: object;
  readonly request: TSchema;
}

const [query, documents] = ["a", ["b", "c"]];
const columns: readonly Column[] = [
  { heading: "own", path: "/rerank", body: { query, documents }, request: NativeRequest },
  { heading: "Jina, Cohere v1", path: "/v1/rerank", body: { query, documents }, request: jina.request },
  { heading: "Cohere v2", path: "/v2/rerank", body: { query, documents }, request: cohereV2.request },
  { heading: "TEI", path: "/", body: { query, texts: documents }, request: tei.request },
  { heading: "`/score`", path: "/score", body: { text_1: query, text_2: documents }, request: vllmScore.request },
];

/** What the fields are for: they are not in the table. */
const contents = ["model", "query", "documents", "texts", "text_1", "text_2", "queries", "items", "data_1", "data_2"];

/** For each field a value that asks for something. */
const samples: Readonly<Record<string, unknown>> = {
  ...{ top_k: 1, top_n: 1, min_score: 0.1, return_documents: true, return_text: true, rank_fields: ["text"], priority: 3 },
  ...{ max_tokens_per_doc: 5, max_chunks_per_doc: 2, truncate: false, truncation_direction: "Left", truncate_prompt_tokens: 5 },
  ...{ raw_scores: true, use_activation: false, instruction: "c", instruct: "c", passages: true },
  ...{ truncation: false, activation: false, softmax: false, timeout_ms: 50_000, overlap_tokens: 5 },
};
/** Of no type that a field has. */
const wrong = { odd: [[]] };

const [, section = ""] = readPage("docs/http.md").text.split("What each dialect does with a field:\n\n");
const [heading = [], , ...rows] = section
  .split("\n\n", 1)
  .join()
  .split("\n")
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
const cells = rows.flatMap(([names = "", ...told]) =>
  [...names.matchAll(/`(\w+)`/g)].flatMap(([, field = ""]) =>
    columns.map((column, index) => ({ ...column, field, told: told[index] })),
  ),
);

let service: TestService;
beforeAll(async () => {
  service = await startTestService();
});
afterAll(() => service.service.stop());

/** What the service does with a field: a field of meaning is checked, and one without meaning may be anything. */
async function seen({ path, body }: Column, field: string): Promise<string> {
  const ask = async (fields: object) => {
    const response = await post(service.url + path, { ...body, ...fields });
    return { status: response.status, text: await response.text() };
  };
  const refuses = ({ status, text }: { status: number; text: string }) => status === 400 && text.includes(`"${field}: `);
  if (refuses(await ask({ [field]: samples[field] }))) return "refused";
  return refuses(await ask({ [field]: wrong })) ? "honoured" : "–";
}

function fieldsOf(schema: TSchema): string[] {
  if (IsUnion(schema)) return schema.anyOf.flatMap(fieldsOf);
  return IsObject(schema) ? Object.keys(schema.properties) : [];
}

test("it has a column for each dialect and a row for each field", () => {
  expect(heading).toEqual(["field", ...columns.map((column) => column.heading)]);
  const known = new Set(columns.flatMap(({ request }) => fieldsOf(request)));
  for (const name of contents) known.delete(name);
  expect(new Set(cells.map(({ field }) => field))).toEqual(known);
  expect(new Set(Object.keys(samples))).toEqual(known);
});

test.each(cells)("$field with $heading: $told", async ({ field, told, ...column }) => {
  expect(await seen(column, field)).toBe(told);
});
