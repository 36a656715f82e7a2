/** The API key, kept for this tab only. */

import { useState } from "preact/hooks";

const name = "jina-reranker.api-key";

export function useApiKey(): [string | undefined, (key: string | undefined) => void] {
  const [key, setKey] = useState(stored);
  return [
    key,
    (next) => {
      setKey(next);
      store(next);
    },
  ];
}

/** A browser without storage throws. Then the key is kept until the page is left. */
function stored(): string | undefined {
  try {
    return sessionStorage.getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}

function store(key: string | undefined): void {
  try {
    if (key === undefined) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, key);
  } catch {
    // The key is kept until the page is left.
  }
}
