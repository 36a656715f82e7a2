/** The page: the request on one side, its ranking on the other, the same request as code below. */

import { useEffect, useMemo, useState } from "preact/hooks";
import { RerankClient } from "../../../client/index.js";
import { example } from "../../../demo/example.js";
import { useApiKey } from "./api-key.js";
import type { Input } from "./content.js";
import { documentsIn } from "./document-file.js";
import { Failure } from "./failure.js";
import { Header } from "./header.js";
import { useHealth } from "./health.js";
import { KeyForm } from "./key-form.js";
import { useLimits } from "./limits.js";
import { type Fields, QueryForm } from "./query-form.js";
import { useRanker } from "./ranking.js";
import { Results } from "./results.js";
import { SnippetPanel } from "./snippet-panel.js";

/** Where the page is, with the path a proxy may have put before it. */
const baseUrl = new URL(".", location.href).href.replace(/\/$/, "");

const exampleFields: Fields = {
  query: example.query,
  queryPicture: undefined,
  text: example.documents.join("\n"),
  pictures: [],
  topK: undefined,
};

export function Playground() {
  const [fields, setFields] = useState(exampleFields);
  const [apiKey, setApiKey] = useApiKey();
  // No retries: the page shows a refusal at once.
  const client = useMemo(() => new RerankClient({ baseUrl, apiKey, retries: 0 }), [apiKey]);
  const health = useHealth(client);
  const limits = useLimits(baseUrl, health?.status === "ok");
  const { ranking, failure, running, rank, stop } = useRanker();

  const lines = useMemo(() => documentsIn(fields.text), [fields.text]);
  const { query, queryPicture, pictures, topK } = fields;
  const input: Input = { query: queryPicture ?? query, documents: [...lines, ...pictures], topK };
  const keyWanted = failure?.status === 401;

  const rerank = () => void rank(client, input, limits);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      rerank();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  });

  const useKey = (key: string) => {
    setApiKey(key);
    void rank(new RerankClient({ baseUrl, apiKey: key, retries: 0 }), input, limits);
  };

  return (
    <>
      <Header health={health} />
      <main>
        <div class="columns">
          <section aria-labelledby="input-title">
            <h2 id="input-title">Query and documents</h2>
            <QueryForm
              {...{ fields, limits, running }}
              lineCount={lines.length}
              onChange={(change) => setFields((now) => ({ ...now, ...change(now) }))}
              onRerank={rerank}
              onStop={stop}
            />
            {keyWanted && <KeyForm refused={apiKey !== undefined} onKey={useKey} />}
            {apiKey !== undefined && !keyWanted && (
              <p class="hint">
                An API key is kept until this tab is closed.{" "}
                <button type="button" class="link" onClick={() => setApiKey(undefined)}>
                  Forget it
                </button>
              </p>
            )}
          </section>
          <section aria-labelledby="results-title">
            <h2 id="results-title">Ranking</h2>
            {failure && <Failure failure={failure} />}
            <Results ranking={ranking} running={running} current={input} />
          </section>
        </div>
        <SnippetPanel request={{ baseUrl, ...input, withKey: apiKey !== undefined || keyWanted }} />
      </main>
    </>
  );
}
