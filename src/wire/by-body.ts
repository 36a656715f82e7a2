/** POST /rerank speaks three dialects. The body decides: `texts` means TEI, `top_n` or `model` means Jina, else it is native. */

import { Type } from "typebox";
import { dialect, shapes } from "./dialect.js";
import { JinaRequest, JinaResponse, jina } from "./jina.js";
import { NativeRequest, NativeResponse, native } from "./native.js";
import { isTei, TeiRequest, TeiResponse, tei } from "./tei.js";
import { hasField } from "./tolerance.js";

export const byBody = dialect({
  request: shapes(NativeRequest, JinaRequest, TeiRequest),
  response: Type.Union([NativeResponse, JinaResponse, TeiResponse], {
    description: "the results, in the dialect of the request",
  }),
  shapeOf(body) {
    if (isTei(body)) return TeiRequest;
    return hasField(body, "top_n") || hasField(body, "model") ? JinaRequest : NativeRequest;
  },
  read(body, preferences) {
    if ("texts" in body) return tei.read(body);
    return "top_n" in body || "model" in body ? jina.read(body) : native.read(body, preferences);
  },
});
