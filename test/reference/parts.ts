/** What the reference passes of the language model and of the vision tower are made of, in float64. */

export type Vector = Float64Array;

export function add(a: Vector, b: Vector): Vector {
  return a.map((value, index) => value + (b[index] as number));
}

/** matrix: row-major [rows][columns]. */
export function multiply(matrix: Vector, vector: Vector): Vector {
  const columns = vector.length;
  const result = new Float64Array(matrix.length / columns);
  for (let row = 0; row < result.length; row++) {
    let sum = 0;
    for (let column = 0; column < columns; column++)
      sum += (matrix[row * columns + column] as number) * (vector[column] as number);
    result[row] = sum;
  }
  return result;
}

/** Rotates the pairs (i, i + half) of each head by an angle of their own. */
export function rotate(vector: Vector, headLength: number, angleOf: (pair: number) => number): Vector {
  const half = headLength / 2;
  const result = vector.slice();
  for (let start = 0; start < vector.length; start += headLength) {
    for (let pair = 0; pair < half; pair++) {
      const angle = angleOf(pair);
      const [x, y] = [vector[start + pair] as number, vector[start + pair + half] as number];
      result[start + pair] = x * Math.cos(angle) - y * Math.sin(angle);
      result[start + pair + half] = x * Math.sin(angle) + y * Math.cos(angle);
    }
  }
  return result;
}

export interface Heads {
  heads: number;
  kvHeads: number;
  headLength: number;
}

/** Attention of one position over the keys that it sees. */
export function attend(query: Vector, keys: Vector[], values: Vector[], { heads, kvHeads, headLength }: Heads): Vector {
  const result = new Float64Array(query.length);
  for (let head = 0; head < heads; head++) {
    const at = head * headLength;
    const kvAt = Math.floor(head / (heads / kvHeads)) * headLength;
    const scores = keys.map((key) => {
      let sum = 0;
      for (let index = 0; index < headLength; index++) sum += (query[at + index] as number) * (key[kvAt + index] as number);
      return sum / Math.sqrt(headLength);
    });
    const highest = Math.max(...scores);
    const exponentials = scores.map((score) => Math.exp(score - highest));
    const total = exponentials.reduce((sum, value) => sum + value, 0);
    for (const [position, exponential] of exponentials.entries()) {
      const value = values[position] as Vector;
      for (let index = 0; index < headLength; index++) {
        result[at + index] = (result[at + index] as number) + (exponential / total) * (value[kvAt + index] as number);
      }
    }
  }
  return result;
}
