/**
 * How far a native build is and how long it has to go, told from the lines of make (percent) or ninja (steps). The time left
 * follows from the rate so far: files take about the same time each, and nobody knows beforehand how busy a machine is.
 */

/** The part that is done, 0 to 1; undefined = the line tells nothing of it. */
export function fractionDone(line) {
  const percent = line.match(/^\[\s*(\d+)%\]/);
  if (percent) return Number(percent[1]) / 100;
  const steps = line.match(/^\[(\d+)\/(\d+)\]/);
  return steps && Number(steps[2]) > 0 ? Number(steps[1]) / Number(steps[2]) : undefined;
}

/** What is left in words; "" before there is a rate to go by. */
export function timeLeft(fraction, elapsedMs) {
  if (fraction < 0.02 || fraction >= 1) return "";
  const seconds = (elapsedMs / 1000) * (1 / fraction - 1);
  return seconds < 90
    ? `about ${Math.max(10, Math.round(seconds / 10) * 10)} s left`
    : `about ${Math.round(seconds / 60)} min left`;
}

/**
 * On a terminal one line that moves, elsewhere a line every half minute. `now` counts milliseconds; the clock starts with
 * the first line that tells a part.
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
      // What a build does not have to do again is passed over at once.
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
