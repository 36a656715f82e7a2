/** The form for query, documents and the number of results. Documents are typed, pasted, or read from a chosen or dropped file. */

import { useEffect, useRef, useState } from "preact/hooks";
import { readDocumentFile } from "./document-file.js";

export interface QueryFormProps {
  readonly query: string;
  readonly text: string;
  readonly topK: number | undefined;
  readonly documentCount: number;
  readonly running: boolean;
  onQuery(query: string): void;
  onText(text: string): void;
  onTopK(topK: number | undefined): void;
  onRerank(): void;
  onStop(): void;
}

const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent);

export function QueryForm(props: QueryFormProps) {
  const { query, text, topK, documentCount, running, onQuery, onText, onTopK, onRerank, onStop } = props;
  const [notice, setNotice] = useState("");

  const take = async (file: File): Promise<void> => {
    try {
      const read = await readDocumentFile(file);
      onText(read.documents.join("\n"));
      if (read.query !== undefined) onQuery(read.query);
      setNotice([`${counted(read.documents.length)} from ${file.name}.`, ...read.notes].join(" "));
    } catch (error) {
      setNotice(error instanceof Error ? error.message : String(error));
    }
  };
  const dragging = useFileDrop(take);

  return (
    <form
      class="query-form"
      onSubmit={(event) => {
        event.preventDefault();
        onRerank();
      }}
    >
      <label for="query">Query</label>
      <input
        id="query"
        type="text"
        autocomplete="off"
        value={query}
        onInput={({ currentTarget }) => onQuery(currentTarget.value)}
      />

      <div class="label-row">
        <label for="documents">Documents</label>
        <span class="hint" id="documents-hint">
          one per line · {counted(documentCount)}
        </span>
      </div>
      <div class={dragging ? "drop dragging" : "drop"}>
        <textarea
          id="documents"
          rows={10}
          spellcheck={false}
          aria-describedby="documents-hint"
          value={text}
          onInput={({ currentTarget }) => {
            setNotice("");
            onText(currentTarget.value);
          }}
        />
      </div>
      <p class="file-row hint">
        <FileButton onFile={take} />
        <span>or drop one here: .txt with a document a line, or .jsonl</span>
      </p>
      <p class="file-notice" role="status">
        {notice}
      </p>

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
            onInput={({ currentTarget }) => onTopK(currentTarget.value === "" ? undefined : currentTarget.valueAsNumber)}
          />
        </label>
      </div>
    </form>
  );
}

function FileButton({ onFile }: { onFile: (file: File) => Promise<void> }) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" onClick={() => field.current?.click()}>
        Choose a file
      </button>
      <input
        ref={field}
        type="file"
        hidden
        accept=".txt,.jsonl,.ndjson,text/plain"
        onChange={({ currentTarget }) => {
          const [file] = currentTarget.files ?? [];
          // So that the same file can be chosen again after it was edited.
          currentTarget.value = "";
          if (file) void onFile(file);
        }}
      />
    </>
  );
}

/** Takes files dropped anywhere on the page: the browser would open them otherwise. */
function useFileDrop(onFile: (file: File) => Promise<void>): boolean {
  const [dragging, setDragging] = useState(false);
  useEffect(() => {
    const holdsFile = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true;
    const onDragOver = (event: DragEvent) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      setDragging(true);
    };
    // The event also comes between two elements of the page. Then it names the next one.
    const onDragLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) setDragging(false);
    };
    const onDrop = (event: DragEvent) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      setDragging(false);
      const [file] = event.dataTransfer?.files ?? [];
      if (file) void onFile(file);
    };
    document.addEventListener("dragover", onDragOver);
    document.addEventListener("dragleave", onDragLeave);
    document.addEventListener("drop", onDrop);
    return () => {
      document.removeEventListener("dragover", onDragOver);
      document.removeEventListener("dragleave", onDragLeave);
      document.removeEventListener("drop", onDrop);
    };
  });
  return dragging;
}

function counted(documents: number): string {
  return documents === 1 ? "1 document" : `${documents.toLocaleString("en")} documents`;
}
