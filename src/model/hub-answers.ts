/** The shapes of the hub's answers. Nothing uses an answer before its size, shape and names were checked here. */

import { type Static, type TSchema, Type } from "typebox";
import { Value } from "typebox/value";
import type { Response } from "undici";

const Size = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Names become paths in the cache and parts of messages. The longest path of a repository is far shorter. */
const Name = Type.String({ minLength: 1, maxLength: 1024 });
const GitHash = Type.String({ pattern: "^[0-9a-f]{40}$" });
const Sha256 = Type.String({ pattern: "^[0-9a-f]{64}$" });

/** Of `/api/models/{repository}/revision/{revision}`. */
export const RevisionAnswer = Type.Object({
  sha: GitHash,
  siblings: Type.Optional(Type.Array(Type.Object({ rfilename: Name }), { maxItems: 100_000 })),
});

/** Of `/api/models/{repository}/paths-info/{commit}`. */
export const PathsAnswer = Type.Array(
  Type.Object({
    path: Name,
    type: Name,
    size: Size,
    oid: Type.Optional(GitHash),
    lfs: Type.Optional(Type.Object({ oid: Sha256, size: Size })),
  }),
  { maxItems: 100 },
);

/** Enough for a listing of a hundred thousand files. */
export const maximumAnswerBytes = 16 * 2 ** 20;

/** What came is no answer of a hub. */
export class WrongAnswer extends Error {}

/** Throws a WrongAnswer that names the field and what was expected. It does not repeat what came, which may be anything. */
export function parseAnswer<Schema extends TSchema>(schema: Schema, text: string): Static<Schema> {
  if (isWebPage(text)) throw new WrongAnswer("a web page (HTML) where JSON was expected");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new WrongAnswer(`${text.length === 0 ? "nothing" : "something that is not JSON"} where JSON was expected`);
  }
  if (Value.Check(schema, value)) return value;
  const [error] = Value.Errors(schema, value);
  const field = error?.instancePath.slice(1).replaceAll("/", ".") || "the answer";
  throw new WrongAnswer(`JSON of another shape: ${printable(field, 100)} ${error?.message ?? "is wrong"}`);
}

/** Throws WrongAnswer when more than `maximumBytes` come, or when it takes longer than `ms`, even if bytes keep coming. */
export async function readBounded(response: Response, maximumBytes: number, ms: number): Promise<string> {
  const end = performance.now() + ms;
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > maximumBytes) throw new WrongAnswer(`more than ${maximumBytes} bytes`);
    if (performance.now() > end) throw new WrongAnswer(`not all of it within ${ms / 1000} s`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Login pages, captive portals and error pages come with status 200 in place of a file. */
export function isWebPage(beginning: string | Uint8Array): boolean {
  const text = typeof beginning === "string" ? beginning : Buffer.from(beginning.subarray(0, 512)).toString("latin1");
  return /^(\u00ef\u00bb\u00bf|\ufeff)?\s*(<\?xml[^>]*>\s*)?(<!--[\s\S]*?-->\s*)?<(!doctype\s+html|html|head|body)\b/i.test(
    text.slice(0, 512),
  );
}

/** Foreign text as one line of at most `length` characters, without control characters, which could steer a terminal. */
export function printable(text: string, length = 200): string {
  return text
    .slice(0, 4 * length)
    .replace(/[\s\p{C}]+/gu, " ")
    .trim()
    .slice(0, length);
}
