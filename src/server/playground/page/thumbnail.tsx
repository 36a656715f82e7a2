/** A picture, small. It is a button that shows it large, in a dialog of its own. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { dimensions, type Picture } from "./content.js";

export function Thumbnail({ picture }: { picture: Picture }) {
  const { file, width, height } = picture;
  const url = useObjectUrl(file);
  const [large, setLarge] = useState(false);
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (large) dialog.current?.showModal();
  }, [large]);
  const close = () => dialog.current?.close();

  return (
    <>
      <button type="button" class="thumbnail" aria-haspopup="dialog" title="Enlarge" onClick={() => setLarge(true)}>
        <img src={url} alt={file.name} draggable={false} decoding="async" />
      </button>
      {large && (
        // biome-ignore lint/a11y/useKeyWithClickEvents: a click beside the picture closes it; for the keyboard Escape does
        <dialog
          ref={dialog}
          class="enlarged"
          aria-label={file.name}
          onClose={() => setLarge(false)}
          onClick={({ target, currentTarget }) => {
            if (target === currentTarget) close();
          }}
        >
          <div class="enlarged-bar">
            <p>
              {file.name} <span class="hint">{dimensions(picture)}</span>
            </p>
            <button type="button" onClick={close}>
              Close
            </button>
          </div>
          <img src={url} alt={file.name} draggable={false} width={width} height={height} />
        </dialog>
      )}
    </>
  );
}

/** A blob: address of the file, given back when the element goes. */
function useObjectUrl(file: File): string {
  const url = useMemo(() => URL.createObjectURL(file), [file]);
  useEffect(() => () => URL.revokeObjectURL(url), [url]);
  return url;
}
