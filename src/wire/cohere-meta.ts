/** The field `meta`, which Cohere's clients read in the answers of both versions. */

import { type Static, Type } from "typebox";

export const CohereMeta = Type.Object({
  api_version: Type.Object({ version: Type.String() }),
  billed_units: Type.Object({
    search_units: Type.Integer({ description: "as Cohere counts them: one for each hundred documents, rounded up" }),
  }),
});

export function cohereMeta(version: "1" | "2", documents: number): Static<typeof CohereMeta> {
  return { api_version: { version }, billed_units: { search_units: Math.ceil(documents / 100) } };
}
