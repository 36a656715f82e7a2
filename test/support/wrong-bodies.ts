/** Bodies that are valid JSON but wrong, for each route, with the expected errors. CTX_SIZE is 256 and MAX_DOCUMENTS is 100. */

import type { ErrorCode } from "../../src/errors.js";
import { bodyFor, type ScoringRoute } from "./scoring-routes.js";
import { text } from "./texts.js";

/** A client's text, which no error may repeat. */
export const secret = "zyzzyva";

export interface Case {
  readonly wrong: string;
  readonly body: object;
  readonly code: ErrorCode;
  /** The message; … stands for any text. */
  readonly message: string;
}

export function wrongBodies(route: ScoringRoute): Case[] {
  const { query: q, documents: d, limit, dialect } = route;
  const pairs = dialect === "vllm";
  const request = (query: unknown, documents: unknown, more?: object) => bodyFor(route, query, documents, more);
  const invalid = (wrong: string, message: string, body: object): Case => ({ wrong, body, code: "invalid_request", message });
  const without = (name: string) => Object.fromEntries(Object.entries(request("a", ["a"])).filter(([key]) => key !== name));
  return [
    invalid("no query", `${q}: expected a string…, got nothing`, without(q)),
    // A body without `texts` is not TEI's, so its error is that of the service's own dialect.
    ...(dialect === "tei" && route.path !== "/" ? [] : [invalid("no documents", `${d}: expected …, got nothing`, without(d))]),
    ...[null, 7, true, -0.5].map((value) =>
      invalid(`the query ${value}`, `${q}: expected a string…, got ${value}`, request(value, ["a"])),
    ),
    invalid("an empty object as query", `${q}: expected a string…, got an object without them`, request({}, ["a"])),
    invalid("a query whose text is a number", `${q}.text: expected a string, got 1`, request({ text: 1 }, ["a"])),
    ...[7, true].map((value) => invalid(`the documents ${value}`, `${d}: expected …array…, got ${value}`, request("a", value))),
    ...(pairs ? [] : [invalid("a string as documents", `${d}: expected an array…, got a string`, request("a", secret))]),
    ...(pairs ? [] : [invalid("an array as query", `${q}: expected a string…, got an array`, request([secret], ["a"]))]),
    ...[null, 7, false, [secret], [[]]].map((value) =>
      invalid(`the document ${JSON.stringify(value)}`, `${d}[1]: expected a string…, got `, request("a", ["a", value])),
    ),
    invalid("an empty object as document", `${d}[0]: expected a string…, got an object without them`, request("a", [{}])),
    invalid(
      "a document whose text is a list",
      `${d}[0].text: expected a string, got an array`,
      request("a", [{ text: [secret] }]),
    ),
    invalid(
      "a part without type",
      `${d}[0].content[0].type: expected a string, got nothing`,
      request("a", [{ content: [{ text: secret }] }]),
    ),
    invalid(
      "a part of unknown type",
      `${d}[0].content[0]: expected {"type":"text","text"}`,
      request("a", [{ content: [{ type: "audio" }] }]),
    ),
    ...(limit
      ? [-1, 1.5, "two", "1.5", {}, [], true].map((value) =>
          invalid(
            `${limit} ${JSON.stringify(value)}`,
            `${limit}: expected a whole number of at least 0, got `,
            request("a", ["a"], { [limit]: value }),
          ),
        )
      : []),
    ...(dialect === "native" || dialect === "jina"
      ? ["yes", 2, {}].map((value) =>
          invalid(
            "return_documents",
            "return_documents: expected true or false, got ",
            request("a", ["a"], { return_documents: value }),
          ),
        )
      : []),
    ...(dialect === "jina" || dialect === "cohere" || pairs
      ? [invalid("a number as model", "model: expected a string, got 7", request("a", ["a"], { model: 7 }))]
      : []),
    ...(dialect === "tei"
      ? ["raw_scores", "return_text"].map((name) =>
          invalid(name, `${name}: expected true or false`, request("a", ["a"], { [name]: secret })),
        )
      : []),
    ...(pairs
      ? [
          invalid(
            "two queries for three documents",
            `${q}: expected one, or as many as ${d} (3), got 2`,
            request(["a", "b"], ["a", "b", "c"]),
          ),
        ]
      : []),
    ...["", " \n\t"].map(
      (query): Case => ({ wrong: "an empty query", body: request(query, ["a"]), code: "empty_query", message: q }),
    ),
    { wrong: "an empty query object", body: request({ text: "" }, ["a"]), code: "empty_query", message: q },
    { wrong: "no document", body: request("a", []), code: "empty_documents", message: `${d}: ` },
    {
      wrong: "101 documents",
      body: request("a", Array(101).fill("a")),
      code: "too_many_documents",
      message: `${d}: at most 100 are allowed in one request, got 101`,
    },
    {
      wrong: "100,001 empty objects",
      body: request("a", Array(100_001).fill({})),
      code: "too_many_documents",
      message: "body: expected at most 100000 items and fields in all, got more",
    },
    invalid(
      "101 rank_fields",
      "rank_fields: expected an array of at most 100, got an array",
      request("a", [{ a: "b" }], { rank_fields: Array.from({ length: 101 }, (_, index) => `f${index}`) }),
    ),
    ...(pairs
      ? [
          { wrong: "no query in a list", body: request([], ["a"]), code: "empty_query" as const, message: q },
          {
            wrong: "101 different pairs",
            body: request(
              Array.from({ length: 101 }, (_, index) => `q${index}`),
              Array(101).fill("a"),
            ),
            code: "too_many_documents" as const,
            message: `${d}: at most 100`,
          },
        ]
      : []),
    ...(dialect === "tei"
      ? [
          {
            wrong: "a long text that may not be cut",
            body: request("a", ["a", text(600, 1)], { truncate: false }),
            code: "document_too_long" as const,
            message: `${d}[1]: takes`,
          },
        ]
      : []),
    { wrong: "a query of 600 words", body: request(text(600, 1), ["a"]), code: "query_too_long", message: `${q}: …256` },
    { wrong: "an image", body: request("a", ["a", { image: secret }]), code: "images_not_supported", message: `${d}[1]: ` },
    {
      wrong: "an image part",
      body: request("a", [{ content: [{ type: "image_url", image_url: { url: secret } }] }]),
      code: "images_not_supported",
      message: `${d}[0]: expected text, got an image…IMAGES=true`,
    },
    { wrong: "an image as query", body: request({ image: secret }, ["a"]), code: "images_not_supported", message: `${q}: ` },
  ];
}
