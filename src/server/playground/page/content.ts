/** What a query and a document are on the page: text, or an image in a file. */

export interface Picture {
  /** Stands for the picture in lists and comparisons; two may have the same file. */
  readonly id: number;
  readonly file: File;
  /** In pixels, turned as its EXIF says. */
  readonly width: number;
  readonly height: number;
}

export type Content = string | Picture;

export interface Input {
  readonly query: Content;
  readonly documents: readonly Content[];
  readonly topK: number | undefined;
}

export function isPicture(content: Content): content is Picture {
  return typeof content !== "string";
}

export function picturesIn({ query, documents }: Input): readonly Picture[] {
  return [query, ...documents].filter(isPicture);
}

/** The text, or the name of the picture's file. */
export function nameOf(content: Content): string {
  return isPicture(content) ? content.file.name : content;
}

export function dimensions({ width, height }: Picture): string {
  return `${width} × ${height}`;
}
