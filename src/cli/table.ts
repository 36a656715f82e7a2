/** Tables for a terminal. */

/** One line without control characters, which could otherwise drive the terminal. */
export function printable(text: string): string {
  return text.replace(/[\s\p{C}]+/gu, " ").trim();
}

/** Columns as wide as their cells; the last one is cut at the terminal's edge. Some terminals say they are 0 columns wide. */
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
