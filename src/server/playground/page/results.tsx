/** The ranked list, with its time and tokens. */

import { useState } from "preact/hooks";
import type { RankedDocument } from "../../../client/index.js";
import { type Content, type Input, isPicture, nameOf } from "./content.js";
import { PictureName } from "./picture-list.js";
import type { Ranking } from "./ranking.js";
import { Thumbnail } from "./thumbnail.js";

export interface ResultsProps {
  readonly ranking: Ranking | undefined;
  readonly running: boolean;
  /** What the form holds now. */
  readonly current: Input;
}

export function Results({ ranking, running, current }: ResultsProps) {
  return (
    <div class="results" aria-busy={running}>
      <p class="visually-hidden" role="status">
        {running ? "Ranking." : ranking ? announcement(ranking) : ""}
      </p>
      {ranking ? (
        <>
          <Figures ranking={ranking} />
          {isStale(ranking.input, current) && <p class="hint">The request has changed since this ranking.</p>}
          {/* biome-ignore lint/a11y/noRedundantRoles: without it Safari takes a list without markers for no list */}
          <ol class="ranked" role="list" aria-label="Ranked documents">
            {ranking.answer.results.map((result, position) => (
              <Result
                key={result.index}
                result={result}
                document={ranking.input.documents[result.index] ?? ""}
                position={position}
              />
            ))}
          </ol>
          <NotShown ranking={ranking} />
        </>
      ) : (
        <p class="empty">The documents appear here in the order of their relevance, each with a score from 0 to 1.</p>
      )}
    </div>
  );
}

function Figures({ ranking }: { ranking: Ranking }) {
  const { timings, usage } = ranking.answer;
  const figures = {
    "Round trip": milliseconds(ranking.roundTripMs),
    ...(timings && { Server: milliseconds(timings.totalMs), Compute: milliseconds(timings.computeMs) }),
    Tokens: usage.totalTokens.toLocaleString("en"),
  };
  return (
    <dl class="figures">
      {Object.entries(figures).map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

interface ResultProps {
  readonly result: Pick<RankedDocument, "index" | "score" | "truncated">;
  readonly document: Content;
  readonly position: number;
}

function Result({ result: { index, score, truncated }, document, position }: ResultProps) {
  return (
    <li class="result">
      <span class="rank">{position + 1}</span>
      <div class="body">
        {isPicture(document) ? (
          <div class="picture">
            <Thumbnail picture={document} />
            <PictureName picture={document} />
          </div>
        ) : (
          <Text text={document} />
        )}
        <div class="track" aria-hidden="true">
          <div class="fill" style={{ width: `${score * 100}%` }} />
        </div>
        {truncated && <p class="hint">Its end was cut to fit the model's context.</p>}
      </div>
      <div class="numbers">
        <span class="visually-hidden">score </span>
        <span class="score">{score.toFixed(4)}</span>
        <Movement from={index + 1} to={position + 1} />
      </div>
    </li>
  );
}

/** Longer documents are folded. */
const foldedCharacters = 320;

function Text({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  if (text.length <= foldedCharacters) return <p class="text">{text}</p>;
  return (
    <>
      <p class={open ? "text" : "text folded"}>{text}</p>
      <button type="button" class="link" aria-expanded={open} onClick={() => setOpen(!open)}>
        {open ? "Show less" : "Show all"}
      </button>
    </>
  );
}

function Movement({ from, to }: { from: number; to: number }) {
  const by = from - to;
  const direction = by > 0 ? "up" : by < 0 ? "down" : "same";
  const sign = { up: "▲", down: "▼", same: "=" }[direction];
  const spoken = by === 0 ? "where it was" : `${direction} ${Math.abs(by)}, from position ${from}`;
  return (
    <span class={`movement ${direction}`} title={spoken}>
      <span aria-hidden="true">
        {sign}
        {by === 0 ? "" : Math.abs(by)}
      </span>
      <span class="visually-hidden">, {spoken}</span>
    </span>
  );
}

function NotShown({ ranking: { input, answer } }: { ranking: Ranking }) {
  const left = input.documents.length - answer.results.length;
  if (left === 0) return null;
  return (
    <p class="hint">{left === 1 ? "1 more document was" : `${left.toLocaleString("en")} more documents were`} ranked lower.</p>
  );
}

function announcement({ input, answer: { results }, roundTripMs }: Ranking): string {
  const first = input.documents[results[0]?.index ?? -1];
  return first === undefined ? "" : `Ranked in ${milliseconds(roundTripMs)}. First: ${nameOf(first).slice(0, 120)}`;
}

function isStale(ranked: Input, current: Input): boolean {
  return JSON.stringify(ranked) !== JSON.stringify(current);
}

function milliseconds(value: number): string {
  if (value >= 1000) return `${(value / 1000).toFixed(2)} s`;
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}
