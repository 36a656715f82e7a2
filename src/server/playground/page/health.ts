/** The server's health: asked for when the page opens, and again until the server is ready. */

import { useEffect, useState } from "preact/hooks";
import type { Health, RerankClient } from "../../../client/index.js";

const pauseMs = 2000;

/** Undefined until the server answered, and while it does not. */
export function useHealth(client: RerankClient): Health | undefined {
  const [health, setHealth] = useState<Health>();
  useEffect(() => {
    const left = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const ask = async (): Promise<void> => {
      const answer = await client.health({ signal: left.signal }).catch(() => undefined);
      if (left.signal.aborted) return;
      setHealth(answer);
      if (answer?.status !== "ok") timer = setTimeout(ask, pauseMs);
    };
    void ask();
    return () => {
      left.abort();
      clearTimeout(timer);
    };
  }, [client]);
  return health;
}
