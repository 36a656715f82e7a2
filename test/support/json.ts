/** Reads answers and checks them against the server's schema. */

import type { Static, TSchema } from "typebox";
import { Value } from "typebox/value";

export async function json<Schema extends TSchema>(schema: Schema, response: { json(): unknown }): Promise<Static<Schema>> {
  const body = await response.json();
  if (Value.Check(schema, body)) return body;
  throw new Error(`not the documented shape: ${JSON.stringify(body)}`);
}
