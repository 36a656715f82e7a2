/** The last ranking and the one under way. */

import { useRef, useState } from "preact/hooks";
import { type Content, type RerankAnswer, type RerankClient, RerankClientError } from "../../../client/index.js";
import type { Input } from "./content.js";
import type { Limits } from "./limits.js";
import { refusalOf, requestOf } from "./request.js";

export interface Ranking {
  readonly input: Input;
  readonly answer: RerankAnswer<Content>;
  /** From the click to the answer, in milliseconds. */
  readonly roundTripMs: number;
}

export interface Ranker {
  readonly ranking: Ranking | undefined;
  readonly failure: RerankClientError | undefined;
  readonly running: boolean;
  rank(client: RerankClient, input: Input, limits: Limits | undefined): Promise<void>;
  stop(): void;
}

export function useRanker(): Ranker {
  const [ranking, setRanking] = useState<Ranking>();
  const [failure, setFailure] = useState<RerankClientError>();
  const [running, setRunning] = useState(false);
  const current = useRef<AbortController | undefined>(undefined);

  const rank = async (client: RerankClient, input: Input, limits: Limits | undefined): Promise<void> => {
    current.current?.abort();
    const refusal = refusalOf(input, limits);
    if (refusal) {
      setFailure(refusal);
      setRunning(false);
      return;
    }
    const abort = new AbortController();
    current.current = abort;
    setRunning(true);
    const startedAt = performance.now();
    try {
      const request = await requestOf(input);
      const answer = await client.rerank({ ...request, signal: abort.signal });
      setRanking({ input, answer, roundTripMs: performance.now() - startedAt });
      setFailure(undefined);
    } catch (error) {
      // Stop or a newer request aborted this one, and set the page's state.
      if (abort.signal.aborted) return;
      setFailure(error instanceof RerankClientError ? error : new RerankClientError("unexpected_answer", String(error)));
    }
    setRunning(false);
  };

  const stop = () => {
    current.current?.abort();
    setRunning(false);
  };

  return { ranking, failure, running, rank, stop };
}
