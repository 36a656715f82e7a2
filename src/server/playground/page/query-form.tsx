/** The form for query, documents and the number of results. Both are typed, pasted, or read from chosen or dropped files. */

import { useRef, useState } from "preact/hooks";
import type { Picture } from "./content.js";
import { FileButton } from "./file-button.js";
import { type Place, useIncomingFiles } from "./incoming-files.js";
import { type Limits, megabytes } from "./limits.js";
import { PictureList } from "./picture-list.js";
import { QueryField } from "./query-field.js";
import { counted, type TakenFiles, takeFiles } from "./taken-files.js";

/** What the form holds. */
export interface Fields {
  readonly query: string;
  /** In place of the text. */
  readonly queryPicture: Picture | undefined;
  /** Documents, one a line. */
  readonly text: string;
  /** Documents after those. */
  readonly pictures: readonly Picture[];
  readonly topK: number | undefined;
}

export interface QueryFormProps {
  readonly fields: Fields;
  /** Documents that are lines of the text. */
  readonly lineCount: number;
  readonly limits: Limits | undefined;
  readonly running: boolean;
  onChange(change: (fields: Fields) => Partial<Fields>): void;
  onRerank(): void;
  onStop(): void;
}

/** What came of the files: what was read, and what was wrong with others. */
const noNotes: Pick<TakenFiles, "notes" | "faults"> = { notes: [], faults: [] };

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);

export function QueryForm({ fields, lineCount, limits, running, onChange, onRerank, onStop }: QueryFormProps) {
  const { query, queryPicture, text, pictures, topK } = fields;
  const [notes, setNotes] = useState(noNotes);
  const fileButton = useRef<HTMLButtonElement>(null);
  const images = limits?.images;
  const set = (change: Partial<Fields>) => onChange(() => change);

  const take = async (files: readonly File[], place: Place): Promise<void> => {
    const taken = await takeFiles(files, limits);
    const [first] = place === "query" ? taken.pictures : [];
    const added = first ? taken.pictures.slice(1) : taken.pictures;
    onChange((now) => ({
      pictures: [...now.pictures, ...added],
      ...(first && { queryPicture: first }),
      ...(taken.documents && { text: taken.documents.join("\n") }),
      ...(taken.query !== undefined && { query: taken.query, queryPicture: undefined }),
    }));
    setNotes({
      notes: [
        ...taken.notes,
        ...(first ? [`${first.file.name} is the query.`] : []),
        ...(added.length > 0 ? [`${counted(added.length, "image")} added to the documents.`] : []),
      ],
      faults: taken.faults,
    });
  };
  const remove = ({ id, file }: Picture) => {
    onChange((now) => ({ pictures: now.pictures.filter((picture) => picture.id !== id) }));
    setNotes({ notes: [`${file.name} removed.`], faults: [] });
  };
  // One after the other, so that pictures keep the order in which they came.
  const taking = useRef(Promise.resolve());
  const queue = (files: readonly File[], place: Place) => {
    taking.current = taking.current.then(() => take(files, place));
  };
  const dragging = useIncomingFiles(queue);

  return (
    <form
      class="query-form"
      onSubmit={(event) => {
        event.preventDefault();
        onRerank();
      }}
    >
      <QueryField
        text={query}
        picture={queryPicture}
        {...{ images }}
        dragging={dragging === "query"}
        onText={(next) => set({ query: next })}
        onPicture={(next) => set({ queryPicture: next })}
        onFiles={(files) => queue(files, "query")}
      />

      <div class="label-row">
        <label for="documents">Documents</label>
        <span class="hint" id="documents-hint">
          one per line · {counted(lineCount + pictures.length, "document")}
          {pictures.length > 0 && `, ${counted(pictures.length, "image")}`}
        </span>
      </div>
      <div class={dragging === "documents" ? "drop dragging" : "drop"}>
        <div class="documents">
          <textarea
            id="documents"
            rows={pictures.length > 0 ? 6 : 10}
            spellcheck={false}
            aria-describedby="documents-hint"
            value={text}
            onInput={({ currentTarget }) => {
              setNotes(noNotes);
              set({ text: currentTarget.value });
            }}
          />
          <PictureList pictures={pictures} before={lineCount} onRemove={remove} onEmptied={() => fileButton.current?.focus()} />
        </div>
      </div>
      <p class="file-row hint">
        <FileButton kind={images ? "both" : "texts"} button={fileButton} onFiles={(files) => queue(files, "documents")}>
          Choose files
        </FileButton>
        <span>or drop them here: .txt with a document a line, or .jsonl</span>
      </p>
      <ImageHint limits={limits} />
      <div class="file-notice" role="status">
        {notes.notes.map((note) => (
          <p key={note}>{note}</p>
        ))}
        {notes.faults.map((fault) => (
          <p key={fault} class="fault">
            {fault}
          </p>
        ))}
      </div>

      <div class="actions">
        <button type="submit" class="primary">
          {running ? "Ranking…" : "Rerank"}
        </button>
        {running ? (
          <button type="button" onClick={onStop}>
            Stop
          </button>
        ) : (
          <span class="hint keys" aria-hidden="true">
            <kbd>{isMac ? "⌘" : "Ctrl"}</kbd> <kbd>Enter</kbd>
          </span>
        )}
        <label class="top" for="top">
          Top
          <input
            id="top"
            type="number"
            min={1}
            inputmode="numeric"
            placeholder="all"
            value={topK ?? ""}
            onInput={({ currentTarget }) => set({ topK: currentTarget.value === "" ? undefined : currentTarget.valueAsNumber })}
          />
        </label>
      </div>
    </form>
  );
}

/** Both texts take their room until the server answers, so that nothing moves then. */
function ImageHint({ limits }: { limits: Limits | undefined }) {
  const { images, imageBytes } = limits ?? { imageBytes: 10 * 2 ** 20 };
  return (
    <div class="image-hint hint">
      <p class={images === true ? "" : "unseen"}>
        Images are documents too. Drop, paste or choose PNG, JPEG, WebP or GIF
        {imageBytes !== undefined && `, up to ${megabytes(imageBytes)} each`}.
      </p>
      <p class={images === false ? "" : "unseen"}>
        Images are off. Turn them on with <code>jina-reranker download --vision</code>, then start the service with{" "}
        <code>IMAGES=true</code>.
      </p>
    </div>
  );
}
