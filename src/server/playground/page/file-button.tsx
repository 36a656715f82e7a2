/** A button that opens the browser's choice of files. */

import type { ComponentChildren, Ref } from "preact";
import { useRef } from "preact/hooks";
import { pictureTypes } from "./picture-file.js";

export type FileKind = "images" | "texts" | "both";

const texts = [".txt", ".jsonl", ".ndjson", "text/plain"];
const accepted: Readonly<Record<FileKind, readonly string[]>> = {
  images: pictureTypes,
  texts,
  both: [...texts, ...pictureTypes],
};

export interface FileButtonProps {
  readonly kind: FileKind;
  readonly class?: string;
  readonly button?: Ref<HTMLButtonElement>;
  readonly children: ComponentChildren;
  onFiles(files: readonly File[]): void;
}

export function FileButton({ kind, class: className, button = null, children, onFiles }: FileButtonProps) {
  const field = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class={className} ref={button} onClick={() => field.current?.click()}>
        {children}
      </button>
      <input
        ref={field}
        type="file"
        hidden
        multiple={kind !== "images"}
        accept={accepted[kind].join()}
        onChange={({ currentTarget }) => {
          const files = [...(currentTarget.files ?? [])];
          // So that the same file can be chosen again after it was edited.
          currentTarget.value = "";
          if (files.length > 0) onFiles(files);
        }}
      />
    </>
  );
}
