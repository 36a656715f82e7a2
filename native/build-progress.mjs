/**
 * Shows the progress of a native build and the time left, from the output of make (percent) or ninja (steps). The time left comes
 * from the speed so far: files take about the same time each, and how busy the machine is shows only during the build.
 */

/** The part that is done, 0 to 1; undefined = the line does not say. */
export function fractionDone(line) {
  const percent = line.match(/^\[\s*(\d+)%\]/);
  if (percent) return Number(percent[1]) / 100;
  const steps = line.match(/^\[(\d+)\/(\d+)\]/);
  return steps && Number(steps[2]) > 0 ? Number(steps[1]) / Number(steps[2]) : undefined;
}

/** The time left in words; "" while the speed is unknown. */
export function timeLeft(fraction, elapsedMs) {
  if (fraction < 0.02 || fraction >= 1) return "";
  const seconds = (elapsedMs / 1000) * (1 / fraction - 1);
  return seconds < 90
    ? `about ${Math.max(10, Math.round(seconds / 10) * 10)} s left`
    : `about ${Math.round(seconds / 60)} min left`;
}

/**
 * Rewrites one line on a terminal, and writes a line every half minute elsewhere. `now` returns milliseconds. Time is measured
 * from the first line that says how much is done.
 */
export function progressReporter({ terminal, write, now = () => performance.now() }) {
  const interval = terminal ? 200 : 30_000;
  let first;
  let shown = now();
  let width = 0;
  return {
    line(text) {
      const fraction = fractionDone(text);
      if (fraction === undefined) return;
      const at = now();
      first ??= { at, fraction };
      if (at - shown < interval) return;
      shown = at;
      // Steps that need not run again are skipped at once, so they say nothing about the speed.
      const left = timeLeft((fraction - first.fraction) / (1 - first.fraction || 1), at - first.at);
      const told = `  [${String(Math.floor(fraction * 100)).padStart(3)}%]${left === "" ? "" : ` ${left}`}`;
      write(terminal ? `\r${told.padEnd(width)}` : `${told}\n`);
      width = told.length;
    },
    end() {
      if (terminal && width > 0) write(`\r${" ".repeat(width)}\r`);
    },
  };
}
