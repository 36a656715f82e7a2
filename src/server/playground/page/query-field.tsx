/** The query: a line of text, or a picture in its place. The text is kept for when the picture goes. */

import { useEffect, useRef } from "preact/hooks";
import type { Picture } from "./content.js";
import { FileButton } from "./file-button.js";
import { queryPlace } from "./incoming-files.js";
import { PictureName } from "./picture-list.js";
import { Thumbnail } from "./thumbnail.js";

export interface QueryFieldProps {
  readonly text: string;
  readonly picture: Picture | undefined;
  /** Whether the server ranks images; undefined = not known yet. */
  readonly images: boolean | undefined;
  readonly dragging: boolean;
  onText(text: string): void;
  onPicture(picture: undefined): void;
  onFiles(files: readonly File[]): void;
}

export function QueryField({ text, picture, images, dragging, onText, onPicture, onFiles }: QueryFieldProps) {
  const field = useRef<HTMLInputElement>(null);
  const back = useRef<HTMLButtonElement>(null);
  const hadPicture = useRef(false);
  // What had the focus may be gone.
  useEffect(() => {
    if (hadPicture.current === (picture !== undefined)) return;
    hadPicture.current = picture !== undefined;
    (picture ? back : field).current?.focus();
  }, [picture]);

  return (
    <div class={queryPlace}>
      <div class="label-row">
        {picture ? (
          <span class="label" id="query-label">
            Query
          </span>
        ) : (
          <label for="query">Query</label>
        )}
        {images && (
          <FileButton kind="images" class="link" onFiles={onFiles}>
            {picture ? "Use another image" : "Use an image"}
          </FileButton>
        )}
      </div>
      <div class={dragging ? "drop dragging" : "drop"}>
        {picture ? (
          // biome-ignore lint/a11y/useSemanticElements: a fieldset would announce a group of fields
          <div role="group" aria-labelledby="query-label" class="picture query-picture">
            <Thumbnail picture={picture} />
            <PictureName picture={picture} />
            <button ref={back} type="button" onClick={() => onPicture(undefined)}>
              Use text
            </button>
          </div>
        ) : (
          <input
            id="query"
            ref={field}
            type="text"
            autocomplete="off"
            value={text}
            onInput={({ currentTarget }) => onText(currentTarget.value)}
          />
        )}
      </div>
    </div>
  );
}
