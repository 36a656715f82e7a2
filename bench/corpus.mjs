/**
 * Makes requests of exact lengths, never the same twice. A seeded generator draws texts from a list of words that are one token
 * each. It loads the measured model in an engine of its own, for the tokenizer only.
 */

import { readScoreHead } from "../dist/model/head.js";
import { Engine } from "../dist/native/index.js";
import { resolveLoadOptions } from "../dist/settings/load-options.js";

/** @import { Engine as NativeEngine, EngineInfo, ScoreHead } from "../binding.js" */
/** @import { BenchRequest } from "./types.js" */

const words = (
  "search engine document query machine model data score weather river mountain book paper people water music light number " +
  "system house story question answer world school state family student group country problem hand part place case week " +
  "company program work government night point home room mother area money fact month right study word business issue side " +
  "kind head service friend father power hour game line end member law car city community name president team minute idea"
).split(" ");

/** Tokens of a typical query. */
const queryLength = 12;

export class Corpus {
  /** @type {NativeEngine} */
  #engine;
  /** @type {number} */
  #state;
  /** @type {readonly string[]} */
  #words;
  /** @readonly @type {ScoreHead} */
  head;

  /**
   * @param {NativeEngine} engine
   * @param {ScoreHead} head
   * @param {number} seed
   */
  constructor(engine, head, seed) {
    this.#engine = engine;
    this.#state = seed | 0;
    this.head = head;
    this.#words = words.filter((word) => engine.tokenize(`${word} ${word}`).length === 2);
    if (this.#words.length < 32) {
      throw new Error(`expected 32 words that are one token of the vocabulary, got ${this.#words.length}`);
    }
  }

  /**
   * @param {{ modelPath: string, headPath: string }} files
   * @param {number} seed
   */
  static async open(files, seed) {
    const {
      headPath,
      maxDocuments: _,
      precision: __,
      ...options
    } = resolveLoadOptions({
      ...files,
      gpuLayers: 0,
      threads: 1,
      contextSize: 8192,
      documentCacheMb: 0,
    });
    const head = await readScoreHead(headPath);
    return new Corpus(await Engine.load({ ...options, head }), head, seed);
  }

  /** @returns {EngineInfo} */
  get info() {
    return this.#engine.info;
  }

  /** A number from 0 to 1 (mulberry32). */
  #random() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /**
   * @param {number} tokens
   * @returns {string}
   */
  text(tokens) {
    const chosen = Array.from({ length: tokens }, () => this.#words[Math.floor(this.#random() * this.#words.length)] ?? "");
    const text = chosen.join(" ");
    const { length } = this.#engine.tokenize(text);
    if (length !== tokens) throw new Error(`expected a text of ${tokens} tokens, got ${length}`);
    return text;
  }

  /**
   * A request with documents of these lengths in tokens.
   *
   * @param {readonly number[]} lengths
   * @returns {BenchRequest}
   */
  request(lengths) {
    return this.#pairs(
      this.text(queryLength),
      lengths.map((length) => this.text(length)),
    );
  }

  /**
   * The same documents with a new query.
   *
   * @param {BenchRequest} request
   * @returns {BenchRequest}
   */
  again({ documents }) {
    return this.#pairs(this.text(queryLength), documents);
  }

  /**
   * @param {string} query
   * @param {readonly string[]} documents
   * @returns {BenchRequest}
   */
  #pairs(query, documents) {
    return { query, documents, pairs: documents.map((document) => this.#engine.tokenizePair(query, document).tokens) };
  }

  async close() {
    await this.#engine.close();
  }
}

/**
 * The number of tokens in all prompts of a request.
 *
 * @param {BenchRequest} request
 */
export function tokenCount({ pairs }) {
  return pairs.reduce((sum, { length }) => sum + length, 0);
}
