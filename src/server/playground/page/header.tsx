/** The page's name, the server's state, and a notice about the demo model. */

import type { Health } from "../../../client/index.js";

/** The name of the built-in model, which is constructed and not trained. */
const demoModel = "lexical-demo";

/** Where the API reference is; undefined on a server without one. */
const { docs } = document.body.dataset;

export function Header({ health }: { health: Health | undefined }) {
  return (
    <header>
      <div class="bar-top">
        <h1>
          <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
            <rect x="3" y="4" width="18" height="4" rx="1.5" />
            <rect x="3" y="10" width="12" height="4" rx="1.5" />
            <rect x="3" y="16" width="6" height="4" rx="1.5" />
          </svg>
          jina-reranker <span class="where">playground</span>
        </h1>
        <p class="server" role="status">
          <ServerState health={health} />
        </p>
        {docs !== undefined && (
          <nav aria-label="Documentation">
            <a href={docs}>API reference</a>
          </nav>
        )}
      </div>
      {health?.model === demoModel && (
        <p class="notice">
          <strong>This is the demo model.</strong> It counts which words of the query occur in a document. It is not trained, and
          its scores say nothing about the quality of jina-reranker-m0.
        </p>
      )}
    </header>
  );
}

function ServerState({ health }: { health: Health | undefined }) {
  if (!health) return <>connecting</>;
  if (health.status === "ok") {
    return (
      <>
        <span class="dot ok" aria-hidden="true" />
        <strong>{health.model}</strong> on {health.device}
      </>
    );
  }
  const done = health.progress === undefined ? "" : `, ${Math.floor(health.progress * 100)} %`;
  return (
    <>
      <span class={`dot ${health.status}`} aria-hidden="true" />
      {health.reason}
      {done}
    </>
  );
}
