/**
 * The claims, one row each, with the trials that they are read from. A row says so instead of a figure if its trial was not run
 * or if its drivers did not compute the same scores.
 */

import { gpuClaims } from "./gpu/claims.mjs";
import { NotMeasured, percent, Reader, times } from "./reader.mjs";

/** @import { Results, StatesResult } from "./types.js" */

/** @typedef {{ measured: string, met: boolean | undefined }} Reading */
/**
 * `standsOn`: where what is asked comes from.
 *
 * @typedef {{ what: string, asked: string, standsOn?: string, read(reader: Reader): Reading }} Claim
 */
/** @typedef {Omit<Claim, "read"> & Reading} Row */

const servers = ["llama-server", "llama-server-10"];
const peers = [...servers, "node-llama-cpp"];
const megabytes = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

/** @type {readonly Claim[]} */
const claims = [
  {
    what: "cold, 10 × 128 tokens, PRECISION=file, over llama-server's embedding route",
    asked: "1.25 ×",
    read(reader) {
      const { driver, seconds } = reader.fastest("ten", servers);
      const ratio = seconds / reader.cold("ten", "file");
      return { measured: `${times(ratio)} (over ${driver})`, met: ratio >= 1.25 };
    },
  },
  {
    what: "cold, the same, PRECISION=auto, over the best peer",
    asked: "1.7 ×",
    read(reader) {
      const { driver, seconds } = reader.fastest("ten", peers);
      const ratio = seconds / reader.cold("ten", "auto");
      return { measured: `${times(ratio)} (over ${driver})`, met: ratio >= 1.7 };
    },
  },
  {
    what: "share of the machine's measured limit, cold, auto",
    asked: "75 %",
    read(reader) {
      const { limit } = reader.trial("ten", "documents");
      if (!limit) throw new NotMeasured("the limit was not measured");
      const { tokens, cold } = reader.documents("ten", "auto");
      const rate = (tokens * reader.model.flopPerToken) / cold.median;
      const share = rate / limit.median;
      const of = `${(rate / 1e9).toFixed(0)} of ${(limit.median / 1e9).toFixed(0)} GFLOP/s`;
      return { measured: `${percent(share)} (${of}, ${limit.type})`, met: share >= 0.75 };
    },
  },
  {
    what: "warm over our own cold, 10 × 128 tokens, 12-token query",
    asked: "7 ×",
    read: (reader) => warmOverCold(reader, "ten", 7),
  },
  {
    what: "warm, 512-token documents",
    asked: "20 ×",
    read: (reader) => warmOverCold(reader, "long", 20),
  },
  {
    what: "warm over llama-server's embedding route with a slot for each document",
    asked: "1.2 ×",
    read: (reader) => atLeast(1.2, reader.warm("ten", "llama-server-10") / reader.warm("ten", "file")),
  },
  {
    what: "warm, 100 documents of 64 tokens, over llama-server with 10 slots",
    asked: "6 ×",
    read: (reader) => atLeast(6, reader.warm("hundred", "llama-server-10") / reader.warm("hundred", "file")),
  },
  {
    what: "mixed lengths (16 to 1,024 tokens): tokens/s over equal lengths",
    asked: "90 %",
    read(reader) {
      const [mixed, equal] = [0, 1].map((set) => {
        const { tokens, cold } = reader.documents("mixed", "file", set);
        return tokens / cold.median;
      });
      if (mixed === undefined || equal === undefined) throw new NotMeasured("not run");
      return { measured: `${percent(mixed / equal)} (${mixed.toFixed(1)} of ${equal.toFixed(1)})`, met: mixed >= 0.9 * equal };
    },
  },
  {
    what: "64 clients: throughput over one client",
    asked: "≥ 1.0 ×",
    read(reader) {
      const levels = reader.trial("clients", "clients").drivers.http ?? [];
      const [one, many] = [1, 64].map((count) => levels.find(({ clients }) => clients === count)?.tokensPerSecond.median);
      if (one === undefined || many === undefined) throw new NotMeasured("not run");
      return { measured: times(many / one), met: many >= one };
    },
  },
  {
    what: "3-document request beside 100-document ones: its latency over running alone",
    asked: "≤ 4 ×",
    read(reader) {
      const sample = reader.trial("beside", "beside").drivers.http;
      if (!sample) throw new NotMeasured("not run");
      const ratio = sample.beside.median / sample.alone.median;
      return { measured: times(ratio), met: ratio <= 4 };
    },
  },
  ...[
    { tokens: 128, most: 20 },
    { tokens: 512, most: 50 },
  ].map(
    /** @returns {Claim} */
    ({ tokens, most }) => ({
      what: `state of a document of ${tokens} tokens from disk, over computing it`,
      asked: `≥ ${most} ×`,
      read(reader) {
        const set = reader.trial("states", "states").sets.find(({ documentTokens }) => documentTokens === tokens);
        if (!set) throw new NotMeasured("not run");
        const { computed, disk } = stateSeconds(set);
        if (disk <= 0) return { measured: "the state came within the noise of the query", met: undefined };
        const ratio = computed / disk;
        return {
          measured: `${ratio.toFixed(0)} × (${(1000 * computed).toFixed(0)} ms, ${(1000 * disk).toFixed(1)} ms)`,
          met: ratio >= most,
        };
      },
    }),
  ),
  {
    what: "a request of texts beside ten pages as images: its latency over running alone",
    asked: "≤ 4 ×",
    read(reader) {
      const { alone, beside } = reader.trial("pages", "pages").beside;
      const ratio = beside.median / alone.median;
      return { measured: times(ratio), met: ratio <= 4 };
    },
  },
  {
    what: "share of the machine's limit for Q8_0, products of the vision tower",
    asked: "60 %",
    read(reader) {
      const { sets, limit } = reader.trial("pages", "pages");
      const rate = productRate(sets);
      // Without VNNI a weight of 8 bits is multiplied in two halves.
      const most =
        limit.type === "int8" && !reader.features("pages").some((name) => name.includes("VNNI"))
          ? limit.median / 2
          : limit.median;
      const share = rate / most;
      const of = `${(rate / 1e9).toFixed(0)} of ${(most / 1e9).toFixed(0)} GFLOP/s`;
      return { measured: `${percent(share)} (${of})`, met: share >= 0.6 };
    },
  },
  {
    what: "HTTP's share on the small model, 10 documents, p50",
    asked: "≤ 1 ms",
    read(reader) {
      const milliseconds = (/** @type {string} */ model) => {
        const { library, http } = reader.trial("overhead", "overhead", model);
        return 1000 * (http.median - library.median);
      };
      const share = milliseconds("small");
      return { measured: `${share.toFixed(2)} ms; with next to no model ${milliseconds("tiny").toFixed(2)} ms`, met: share <= 1 };
    },
  },
  {
    what: "peak RSS, cold, PRECISION=file, cache off",
    asked: "file size + 600 MB",
    read(reader) {
      const peak = reader.trial("memory", "documents").peakBytes.uncached;
      if (peak === undefined) throw new NotMeasured("not run");
      const over = peak - reader.model.fileBytes;
      return { measured: `file size + ${megabytes(over)} (${megabytes(peak)})`, met: over <= 600e6 };
    },
  },
];

/**
 * What the state of one document takes, without the query.
 *
 * @param {StatesResult["sets"][number]} set
 */
export function stateSeconds({ documents, computed, disk, memory }) {
  return {
    computed: (computed.median - memory.median) / documents,
    disk: (disk.median - memory.median) / documents,
  };
}

/**
 * Operations a second of the tower's products. Their time grows with the tokens, that of attention with their square: pages of two
 * sizes tell both.
 *
 * @param {readonly { flop: { products: number, attention: number }, towerSeconds: { median: number } }[]} sets
 */
function productRate([one, other]) {
  if (!one || !other) throw new NotMeasured("two sizes of pages are needed");
  const determinant = one.flop.products * other.flop.attention - other.flop.products * one.flop.attention;
  const perFlop = (one.towerSeconds.median * other.flop.attention - other.towerSeconds.median * one.flop.attention) / determinant;
  return 1 / perFlop;
}

/**
 * @param {Reader} reader
 * @param {string} trial
 * @param {number} asked
 */
function warmOverCold(reader, trial, asked) {
  return atLeast(asked, reader.cold(trial, "file") / reader.warm(trial, "file"));
}

/**
 * @param {number} asked
 * @param {number} ratio
 */
function atLeast(asked, ratio) {
  return { measured: times(ratio), met: ratio >= asked };
}

/**
 * The rows of a run. Runs on a GPU have other claims than runs on a CPU.
 *
 * @param {Results} results
 * @param {string} model The model whose trials are read.
 * @returns {Row[]}
 */
export function readRows(results, model) {
  const onCard = Object.keys(results.trials).some((key) => key.startsWith(`${model}/gpu-`));
  return (onCard ? gpuClaims : claims).map(({ read, ...claim }) => {
    try {
      return { ...claim, ...read(new Reader(results, model)) };
    } catch (error) {
      if (!(error instanceof NotMeasured)) throw error;
      return { ...claim, measured: error.message, met: undefined };
    }
  });
}
