/**
 * Splits a stream of bytes into lines. Memory holds a chunk and a line. Only "\n" ends a line: in JSON text, other separators
 * such as U+2028 are ordinary characters.
 */

export interface Line {
  /** The line without its "\n", cut at the limit. */
  readonly bytes: Buffer;
  /** Bytes of the whole line without its "\n". */
  readonly length: number;
  /** False for a last line that has no "\n". */
  readonly ended: boolean;
}

/** Keeps at most `limit` bytes of a line. */
export async function* linesOf(stream: AsyncIterable<Buffer>, limit: number): AsyncGenerator<Line> {
  let parts: Buffer[] = [];
  let kept = 0;
  let length = 0;
  const add = (piece: Buffer) => {
    length += piece.length;
    const room = piece.subarray(0, limit - kept);
    kept += room.length;
    if (room.length > 0) parts.push(room);
  };
  const take = (ended: boolean): Line => {
    const [only] = parts;
    const line = { bytes: parts.length === 1 && only ? only : Buffer.concat(parts), length, ended };
    parts = [];
    kept = 0;
    length = 0;
    return line;
  };
  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      add(chunk.subarray(start, end));
      start = end + 1;
      yield take(true);
    }
    add(chunk.subarray(start));
  }
  if (length > 0) yield take(false);
}
