/** The score head for rivals that return hidden states: logit = relu(h · w1 + b1) · w2 + b2 − bias. */

/** @import { ScoreHead } from "../binding.js" */

/**
 * @param {ScoreHead} head
 * @param {ArrayLike<number>} hidden
 * @returns {number}
 */
export function logit({ w1, b1, w2, b2, logitBias }, hidden) {
  const width = b1.length;
  if (hidden.length !== width) throw new Error(`expected a hidden state of ${width} numbers, got ${hidden.length}`);
  const units = Float64Array.from(b1);
  for (let input = 0; input < width; input++) {
    const value = hidden[input] ?? Number.NaN;
    for (let unit = 0; unit < width; unit++) units[unit] = (units[unit] ?? 0) + value * (w1[input * width + unit] ?? 0);
  }
  return units.reduce((sum, unit, index) => sum + Math.max(unit, 0) * (w2[index] ?? 0), b2) - logitBias;
}
