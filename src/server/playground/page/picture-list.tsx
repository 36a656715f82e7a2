/** The documents that are pictures, numbered on from those that are lines of text. */

import { useEffect, useRef } from "preact/hooks";
import { dimensions, type Picture } from "./content.js";
import { Thumbnail } from "./thumbnail.js";

export interface PictureListProps {
  readonly pictures: readonly Picture[];
  /** Documents before the first picture. */
  readonly before: number;
  onRemove(picture: Picture): void;
  /** Called when the last one was removed, for the focus to go elsewhere. */
  onEmptied(): void;
}

export function PictureList({ pictures, before, onRemove, onEmptied }: PictureListProps) {
  const list = useRef<HTMLOListElement>(null);
  const removedAt = useRef<number>(undefined);
  // The button that had the focus is gone: the next one gets it, so that Enter removes one after the other.
  useEffect(() => {
    const position = removedAt.current;
    removedAt.current = undefined;
    if (position === undefined) return;
    const buttons = list.current?.querySelectorAll<HTMLElement>(".remove");
    const next = buttons?.[Math.min(position, buttons.length - 1)];
    if (next) next.focus();
    else onEmptied();
  }, [pictures]);

  if (pictures.length === 0) return null;
  return (
    // biome-ignore lint/a11y/noRedundantRoles: without it Safari takes a list without markers for no list
    <ol ref={list} class="pictures" role="list" aria-label="Images among the documents">
      {pictures.map((picture, index) => (
        <li key={picture.id} class="picture">
          <span class="rank">{before + index + 1}</span>
          <Thumbnail picture={picture} />
          <PictureName picture={picture} />
          <button
            type="button"
            class="remove"
            title="Remove"
            aria-label={`Remove document ${before + index + 1}, ${picture.file.name}`}
            onClick={() => {
              removedAt.current = index;
              onRemove(picture);
            }}
          >
            ×
          </button>
        </li>
      ))}
    </ol>
  );
}

export function PictureName({ picture }: { picture: Picture }) {
  return (
    <div class="picture-name">
      <p class="text">{picture.file.name}</p>
      <p class="hint">{dimensions(picture)}</p>
    </div>
  );
}
