/** Writes tables for a terminal. */

/** Replaces line ends and control characters: from a document they could drive the terminal. */
export function printable(text: string): string {
  return text.replace(/[\s\p{C}]+/gu, " ").trim();
}

/** Cuts the last column at the terminal's edge. Some terminals report 0 columns. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  columns = process.stdout.columns || 120,
): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  return [head, ...rows].map((row) => `${line(row, widths, columns)}\n`).join("");
}

function line(cells: readonly string[], widths: readonly number[], columns: number): string {
  const padded = cells.map((cell, column) => (column === cells.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)));
  const text = padded.join("  ");
  return text.length > columns ? `${text.slice(0, columns - 1)}…` : text;
}
