/** Each field that changes a ranking, on each route that scores: it is honoured, or refused by name. */

import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { post, startTestService, type TestService } from "../support/demo-service.js";
import { bodyFor, readError, type Scored, type ScoringRoute, scoringRoutes } from "../support/scoring-routes.js";
import { text } from "../support/texts.js";

const query = "What is machine learning?";
const documents = [
  "The weather today is sunny and warm.",
  "Machine learning is a subset of artificial intelligence that enables computers to learn from data.",
  "Deep learning uses neural networks with multiple layers.",
];
const order = [1, 2, 0];
const long = text(400, 5);

let service: TestService;
let scores: number[];
let logits: number[];
beforeAll(async () => {
  service = await startTestService({ load: { contextSize: 256 } });
  const scored = await service.reranker.score({ query, documents });
  scores = [...scored.scores];
  logits = [...scored.logits];
});
afterAll(() => service.service.stop());

/** A route's answer: its results, or the status and message of its refusal. */
type Outcome = { readonly results: readonly Scored[] } | { readonly status: number; readonly message: string };

async function ask(
  asWritten: ScoringRoute,
  fields: object,
  texts: unknown = documents,
  asked: unknown = query,
): Promise<Outcome> {
  const route = answering(asWritten, fields);
  const response = await post(service.url + route.path, bodyFor(route, asked, texts, fields));
  if (response.status === 200) {
    return { results: (await route.read(response)).map(({ index, score }) => ({ index, score })) };
  }
  const { message } = await readError(route.dialect === "tei", response);
  return { status: response.status, message };
}

/** The route whose dialect answers: on POST /rerank the body decides, and `top_n` means Jina. */
function answering(route: ScoringRoute, fields: object): ScoringRoute {
  const named = "top_n" in fields && fields.top_n !== null && route.dialect === "native";
  const jina = named && scoringRoutes.find(({ dialect }) => dialect === "jina");
  return jina ? { ...jina, path: route.path, always: {} } : route;
}

/** The expected outcome: the `count` best results for a ranking, every pair in order for /score. */
function ranked(route: ScoringRoute, values: readonly number[], count = 3): Outcome {
  const indices = route.sorted ? order.slice(0, count) : [0, 1, 2];
  return { results: indices.map((index) => ({ index, score: values[index] ?? Number.NaN })) };
}

const refused = (message: string) => ({ status: 400, message: expect.stringContaining(message) });

async function libraryScores(texts: readonly string[], limits: object): Promise<Map<number, number | undefined>> {
  const scored = await service.reranker.score({ query, documents: texts, ...limits });
  return new Map(texts.map((_, index) => [index, scored.scores[index]]));
}

function byIndex(outcome: Outcome): unknown {
  return "results" in outcome ? new Map(outcome.results.map(({ index, score }) => [index, score])) : outcome;
}

/** Routes that rank can return fewer results; routes that score pairs return all. */
const rankings = scoringRoutes.filter(({ sorted }) => sorted);
const pairs = scoringRoutes.filter(({ sorted }) => !sorted);

describe.each(rankings)("$name ranks", (route) => {
  test.each([
    [{ top_k: 1 }, 1],
    [{ top_n: 2 }, 2],
    [{ top_k: 2, top_n: 2 }, 2],
    [{ top_k: null, top_n: 1 }, 1],
    [{ top_k: 1, top_n: null }, 1],
    [{ top_k: "2" }, 2],
    [{ top_n: 0 }, 3],
    [{ top_k: null }, 3],
    [{ top_k: 99 }, 3],
  ])("%j: the best %i", async (fields, count) => {
    expect(await ask(route, fields)).toEqual(ranked(route, scores, count));
  });

  test("top_k and top_n that differ are refused", async () => {
    expect(await ask(route, { top_k: 1, top_n: 2 })).toEqual(refused("top_k: expected the value of top_n, 2, got 1"));
  });

  test("min_score drops the results below it from the best top_k", async () => {
    const [best = 0, second = 0] = scores.toSorted((a, b) => b - a);
    expect(await ask(route, { min_score: second })).toEqual(ranked(route, scores, 2));
    expect(await ask(route, { min_score: second, top_k: 1 })).toEqual(ranked(route, scores, 1));
    expect(await ask(route, { min_score: String((best + second) / 2) })).toEqual(ranked(route, scores, 1));
    expect(await ask(route, { min_score: 2 })).toEqual({ results: [] });
    expect(await ask(route, { min_score: true })).toEqual(refused("min_score: expected a number, got true"));
  });
});

describe.each(pairs)("$name scores every pair", (route) => {
  test.each([{ top_k: 1 }, { top_n: 1 }, { min_score: 0.5 }])("%j is refused", async (field) => {
    const [name = ""] = Object.keys(field);
    expect(await ask(route, field)).toEqual(refused(`${name}: expected nothing on this route`));
  });

  test.each([{ top_k: 0 }, { top_n: null }])("%j asks for all pairs and is accepted", async (field) => {
    expect(await ask(route, field)).toEqual(ranked(route, scores));
  });
});

describe.each(scoringRoutes)("$name", (route) => {
  test.each([
    [{ raw_scores: true }, true],
    [{ raw_scores: "True" }, true],
    [{ raw_scores: 1 }, true],
    [{ use_activation: false }, true],
    [{ use_activation: "false" }, true],
    [{ raw_scores: true, use_activation: false }, true],
    [{ activation: false }, true],
    [{ softmax: "false", use_activation: false }, true],
    [{ raw_scores: false }, false],
    [{ use_activation: true }, false],
    [{ use_activation: null }, false],
  ])("%j: logits: %j", async (fields, raw) => {
    expect(await ask(route, fields)).toEqual(ranked(route, raw ? logits : scores));
  });

  test("raw_scores and use_activation that contradict each other are refused", async () => {
    expect(await ask(route, { raw_scores: true, use_activation: true })).toEqual(refused("use_activation: "));
    expect(await ask(route, { use_activation: true, softmax: false })).toEqual(
      refused("softmax: expected the value of use_activation, true, got false"),
    );
  });

  test("max_tokens_per_doc, truncate and truncation_direction say how a long document is cut", async () => {
    const texts = [long, "short"];
    const whole = await libraryScores(texts, {});
    const left = await libraryScores(texts, { truncate: "start" });
    const ten = await libraryScores(texts, { maxDocumentTokens: 10 });
    expect([left.get(0), ten.get(0)]).not.toContain(whole.get(0));
    for (const fields of [{}, { truncate: true }, { truncate: "TRUE" }, { truncation_direction: "Right" }, { truncate: null }]) {
      expect(byIndex(await ask(route, fields, texts))).toEqual(whole);
    }
    expect(byIndex(await ask(route, { truncation_direction: "left" }, texts))).toEqual(left);
    expect(byIndex(await ask(route, { max_tokens_per_doc: 10 }, texts))).toEqual(ten);
    expect(byIndex(await ask(route, { max_tokens_per_doc: "10" }, texts))).toEqual(ten);
    for (const fields of [{ truncate: false }, { truncation: false }]) {
      expect(await ask(route, fields, texts)).toEqual({
        status: 422,
        message: expect.stringMatching(new RegExp(`^${route.documents}\\[0\\]: takes more than the \\d+ tokens`)),
      });
    }
    expect(await ask(route, { truncate: true, truncation: false })).toEqual(
      refused("truncation: expected the value of truncate, true, got false"),
    );
    expect(await ask(route, { truncation_direction: "Up" })).toEqual(refused("truncation_direction: expected Right or Left"));
    expect(await ask(route, { max_tokens_per_doc: 0 })).toEqual(
      refused("max_tokens_per_doc: expected a whole number of at least 1"),
    );
  });

  test("priority is accepted in its range and refused outside", async () => {
    expect(await ask(route, { priority: 5 })).toEqual(ranked(route, scores));
    expect(await ask(route, { priority: 1000 })).toEqual(refused("priority: expected a whole number from 0 to 999, got 1000"));
  });

  test("max_chunks_per_doc scores documents that do not fit in passages that do, and the best one counts", async () => {
    const texts = ["short", "It rains here. ".repeat(120) + documents[1]];
    const whole = await libraryScores(texts, {});
    for (const fields of [{ max_chunks_per_doc: 1 }, { max_chunks_per_doc: null }, { overlap_tokens: 80 }]) {
      expect(byIndex(await ask(route, fields, texts))).toEqual(whole);
    }
    expect(await ask(route, { max_chunks_per_doc: 10, overlap_tokens: 80 })).toEqual(ranked(route, scores));
    const passages = { max: 9, maxTokens: 2 ** 20 };
    const chunks = await libraryScores(texts, { passages });
    expect(chunks.get(1)).not.toBe(whole.get(1));
    expect(byIndex(await ask(route, { max_chunks_per_doc: "9" }, texts))).toEqual(chunks);
    expect(byIndex(await ask(route, { max_chunks_per_doc: 9, overlap_tokens: 80 }, texts))).toEqual(
      await libraryScores(texts, { passages: { ...passages, overlapTokens: 80 } }),
    );
    const small = { max_chunks_per_doc: 3, max_tokens_per_doc: 20, overlap_tokens: 5 };
    expect(byIndex(await ask(route, small, texts))).toEqual(
      await libraryScores(texts, { passages: { max: 3, maxTokens: 20, overlapTokens: 5 } }),
    );
    expect(await ask(route, { ...small, overlap_tokens: 20 })).toEqual(
      refused("overlap_tokens: expected fewer than the 20 tokens of a passage, got 20"),
    );
    expect(await ask(route, { max_chunks_per_doc: 2, truncation_direction: "Left" })).toEqual(
      refused("truncation_direction: expected Right beside max_chunks_per_doc, "),
    );
    expect(await ask(route, { max_chunks_per_doc: "x" })).toEqual(refused("max_chunks_per_doc: expected a whole number"));
    expect(await ask(route, { overlap_tokens: -1 })).toEqual(refused("overlap_tokens: expected a whole number of at least 0"));
    expect(await ask(route, { max_chunks_per_doc: 2, truncate: false }, texts)).toEqual({
      status: 422,
      message: expect.stringMatching(new RegExp(`^${route.documents}\\[1\\]: has more than 2 passages`)),
    });
  });

  test("passages scores each document by its best passage", async () => {
    const texts = [documents.join(" "), long, "short"];
    const options = { max_tokens: 16, overlap_tokens: 4, max: 3 };
    const cut = await libraryScores(texts, { passages: { maxTokens: 16, overlapTokens: 4, max: 3 } });
    expect(cut.get(0)).not.toBe((await libraryScores(texts, {})).get(0));
    expect(byIndex(await ask(route, { passages: options }, texts))).toEqual(cut);
    expect(byIndex(await ask(route, { passages: { ...options, max: "3" } }, texts))).toEqual(cut);
    const usual = await libraryScores(texts, { passages: true });
    for (const passages of [true, "True", 1, {}, { max: null }]) {
      expect(byIndex(await ask(route, { passages }, texts))).toEqual(usual);
    }
    for (const passages of [false, "false", 0, null]) expect(await ask(route, { passages })).toEqual(ranked(route, scores));
    const refusals: [object, string][] = [
      [{ passages: { max_tokens: 0 } }, "passages.max_tokens: expected a whole number of at least 1, got 0"],
      [{ passages: { max: "x" } }, "passages.max: expected a whole number of at least 1, got a string"],
      [{ passages: "yes" }, 'passages: expected true, false or {"max_tokens", "overlap_tokens", "max"}, got a string'],
      [{ passages: [5] }, "passages: expected true, false or {"],
      [
        { passages: { max: 3, maxTokens: 9 } },
        'passages: expected true, false or {"max_tokens", "overlap_tokens", "max"}, got an object',
      ],
      [
        { passages: { overlap_tokens: 512 } },
        "passages.overlap_tokens: expected fewer than the 512 tokens of a passage, got 512",
      ],
      [{ passages: true, max_chunks_per_doc: 2 }, "max_chunks_per_doc: expected nothing beside passages"],
      [{ passages: true, overlap_tokens: 8 }, "overlap_tokens: expected nothing beside passages"],
      [{ passages: {}, max_tokens_per_doc: 8 }, "max_tokens_per_doc: expected nothing beside passages"],
      [{ passages: true, truncation_direction: "Left" }, "truncation_direction: expected Right beside passages, "],
    ];
    for (const [fields, message] of refusals) expect(await ask(route, fields)).toEqual(refused(message));
  });

  test("instruction and instruct are the line before each document", async () => {
    const instruction = "Prefer what is about the weather.";
    const scored = await service.reranker.score({ query, documents, instruction });
    const expected = new Map(scored.scores.entries());
    expect(expected.get(0)).not.toBe(scores[0]);
    for (const fields of [{ instruction }, { instruct: instruction }, { instruction, instruct: instruction }]) {
      expect(byIndex(await ask(route, fields))).toEqual(expected);
    }
    expect(byIndex(await ask(route, { instruction, instruct: "" }))).toEqual(expected);
    for (const nothing of ["", null])
      expect(await ask(route, { instruction: nothing, instruct: nothing })).toEqual(ranked(route, scores));
    expect(await ask(route, { instruction, instruct: "Find code." })).toEqual(
      refused("instruct: expected the value of instruction, got another text; leave one of them out"),
    );
    expect(await ask(route, { instruction: ["a"] })).toEqual(refused("instruction: expected a string, got an array"));
    expect(await ask(route, { instruct: 7 })).toEqual(refused("instruct: expected a string, got 7"));
    expect(await ask(route, { instruction: long })).toEqual({
      status: 422,
      message: expect.stringMatching(new RegExp(`^instruction and ${route.query}(\\[0\\])?: take `)),
    });
  });

  test.each([["truncate_prompt_tokens", 10, [null, -1]]])(
    "%s is refused, except for values that ask for nothing",
    async (name, value, nothing) => {
      expect(await ask(route, { [name]: value })).toEqual(refused(`${name}: expected nothing, got `));
      for (const one of nothing) expect(await ask(route, { [name]: one })).toEqual(ranked(route, scores));
    },
  );

  test("rank_fields name the fields of an object that are read, as YAML lines", async () => {
    const objects = documents.map((one, index) => ({
      id: index,
      title: `title ${index}`,
      text: one,
      year: 2000 + index,
      tags: ["a"],
    }));
    const lines = (names: readonly ("title" | "text" | "year")[]) =>
      objects.map((one) => names.map((name) => `${name}: ${one[name]}`).join("\n"));
    const expectRead = async (fields: object, texts: readonly string[], given: unknown = objects) =>
      expect(byIndex(await ask(route, fields, given))).toEqual(await libraryScores(texts, {}));
    await expectRead({ rank_fields: ["title", "text"] }, lines(["title", "text"]));
    await expectRead({ rank_fields: ["text", "title", "absent"] }, lines(["text", "title"]));
    await expectRead({ rank_fields: ["year"] }, lines(["year"]));
    await expectRead({ rank_fields: ["year", "year"] }, lines(["year"]));
    // The only field `text` is the text itself, as with Cohere.
    await expectRead({ rank_fields: ["text"] }, documents);
    await expectRead({}, documents);
    await expectRead({ rank_fields: [] }, documents);
    await expectRead(
      {},
      lines(["title"]),
      objects.map(({ id, title, year }) => ({ id, title, year })),
    );
    await expectRead({ rank_fields: ["title"] }, documents, documents);
    expect(await ask(route, { rank_fields: ["nothing"] }, objects)).toEqual(
      refused(`${route.documents}[0]: expected text in one of the rank_fields, got an object without it`),
    );
    expect(await ask(route, { rank_fields: ["tags"] }, objects)).toEqual(
      refused(`${route.documents}[0]: expected text in rank_fields[0], got an array`),
    );
    expect(await ask(route, { rank_fields: { odd: [] } })).toEqual(refused("rank_fields: expected an array"));
    expect(await ask(route, { rank_fields: [1] })).toEqual(refused("rank_fields[0]: expected a string"));
  });

  test("query and documents come as text, {text}, {content: text} or {content: parts}, or one object for all documents", async () => {
    const [first = "", second = "", third = ""] = documents;
    const part = (one: string) => ({ type: "text", text: one });
    const expected = ranked(route, scores);
    expect(await ask(route, {}, [{ text: first }, { content: second }, { content: [part(third)] }])).toEqual(expected);
    expect(await ask(route, {}, { content: documents.map(part) })).toEqual(expected);
    for (const asked of [{ text: query }, { content: query }, { content: [part(query)] }]) {
      expect(await ask(route, {}, documents, asked)).toEqual(expected);
    }
  });

  test.each([
    { image: "https://example.org/a.png" },
    { type: "image_url", image_url: { url: "https://example.org/a.png" } },
    { image_url: "https://example.org/a.png" },
    { text: "", image: "data:image/png;base64,AA==" },
    { type: "image", format: "base64", value: "data:image/png;base64,AA==" },
    { content: [{ type: "image_url", image_url: { url: "https://example.org/a.png" } }] },
  ])("the image %j is images_not_supported", async (image) => {
    const answer = { status: 422, message: expect.stringMatching(/expected text, got an image/) };
    expect(await ask(route, {}, ["a", image])).toEqual(answer);
    expect(await ask(route, {}, documents, image)).toEqual(answer);
  });
});
