/** Files that are dropped or pasted anywhere on the page: the browser would open the former otherwise. */

import { useEffect, useState } from "preact/hooks";

/** What the files are for: where they were dropped, or where the focus was when they were pasted. */
export type Place = "query" | "documents";

/** The class of the element that takes files for the query. */
export const queryPlace = "query-place";

/** Returns the place that files are being dragged over. */
export function useIncomingFiles(onFiles: (files: readonly File[], place: Place) => void): Place | undefined {
  const [over, setOver] = useState<Place>();
  useEffect(() => {
    const holdsFile = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes("Files") === true;
    const onDragOver = (event: DragEvent) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      setOver(placeOf(event));
    };
    // The event also comes between two elements of the page. Then it names the next one.
    const onDragLeave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(undefined);
    };
    const onDrop = (event: DragEvent) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      setOver(undefined);
      onFiles([...(event.dataTransfer?.files ?? [])], placeOf(event));
    };
    const onPaste = (event: ClipboardEvent) => {
      const { types = [], files = [] } = event.clipboardData ?? {};
      // Office programs copy text with a picture of it. It is the text that is wanted.
      if (files.length === 0 || (types.includes("text/plain") && types.includes("text/html"))) return;
      event.preventDefault();
      onFiles([...files], placeOf(event));
    };
    document.addEventListener("dragover", onDragOver);
    document.addEventListener("dragleave", onDragLeave);
    document.addEventListener("drop", onDrop);
    document.addEventListener("paste", onPaste);
    return () => {
      document.removeEventListener("dragover", onDragOver);
      document.removeEventListener("dragleave", onDragLeave);
      document.removeEventListener("drop", onDrop);
      document.removeEventListener("paste", onPaste);
    };
  });
  return over;
}

function placeOf({ target }: Event): Place {
  return target instanceof Element && target.closest(`.${queryPlace}`) ? "query" : "documents";
}
