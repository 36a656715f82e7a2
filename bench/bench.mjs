/** One trial's surroundings: its model and texts, and the drivers' processes it has started, which end with it. */

import { Corpus } from "./corpus.mjs";
import { DriverProcess } from "./driver-process.mjs";
import { driverModule, driverNamed } from "./drivers/index.mjs";

/** @import { DriverEntry, DriverSettings, Facts, Shape } from "./types.js" */

/** @typedef {{ modelPath: string, headPath: string, shape: Shape }} ModelUnderTest */
/** @typedef {{ threads: number, gpuLayers: number }} BenchOptions */

export class Bench {
  /** @readonly @type {Corpus} */
  corpus;
  /** @readonly @type {BenchOptions} */
  options;
  /** @readonly @type {(line: string) => void} */
  log;
  /** What each driver said of itself. @type {Record<string, Facts>} */
  facts = {};
  /** Drivers that could not run, and why. @type {Record<string, string>} */
  left = {};
  /** Where those that listen do. @type {Map<string, string>} */
  urls = new Map();
  /** @type {ModelUnderTest} */
  #model;
  /** @type {readonly string[] | undefined} */
  #only;
  /** @type {Set<DriverProcess>} */
  #processes = new Set();

  /**
   * @param {object} parts
   * @param {Corpus} parts.corpus
   * @param {ModelUnderTest} parts.model
   * @param {BenchOptions} parts.options
   * @param {readonly string[] | undefined} parts.only Drivers to run; undefined = all.
   * @param {(line: string) => void} parts.log
   */
  constructor({ corpus, model, options, only, log }) {
    this.corpus = corpus;
    this.options = options;
    this.log = log;
    this.#model = model;
    this.#only = only;
  }

  /**
   * @param {DriverEntry} entry
   * @returns {DriverSettings}
   */
  settings({ settings }) {
    return { ...this.#model, ...this.options, contextSize: 8192, ...settings };
  }

  /**
   * The names of those that are asked for and can run here.
   *
   * @param {readonly string[]} names
   */
  async available(names) {
    const found = [];
    for (const name of names) {
      if (this.#only && !this.#only.includes(name)) continue;
      const why = await (await driverModule(driverNamed(name))).unavailable();
      if (why === undefined) found.push(name);
      else this.left[name] = why;
    }
    return found;
  }

  /**
   * @param {DriverProcess} driver
   * @returns {DriverProcess} The same, which ends with the trial at the latest.
   */
  keep(driver) {
    this.#processes.add(driver);
    return driver;
  }

  /**
   * Starts drivers and lets each compute something, so that what only a first request costs is not measured.
   *
   * @param {readonly string[]} names
   * @returns {Promise<Map<string, DriverProcess>>} In the order of `names`, without those that cannot run.
   */
  async open(names) {
    /** @type {Map<string, DriverProcess>} */
    const open = new Map();
    for (const name of await this.available(names)) {
      const entry = driverNamed(name);
      const driver = this.keep(new DriverProcess(entry));
      try {
        const { facts, url } = await driver.ask("open", this.settings(entry));
        await driver.ask("score", this.corpus.request([16, 16]));
        this.facts[name] = facts;
        if (url !== undefined) this.urls.set(name, url);
        open.set(name, driver);
      } catch (error) {
        // A rival that cannot run this model is a result too; of ours it is a failure.
        if (["library", "http"].includes(entry.module)) throw error;
        this.left[name] = error instanceof Error ? error.message : String(error);
        this.log(`${name} does not run: ${this.left[name]}`);
        driver.kill();
      }
    }
    return open;
  }

  async end() {
    for (const driver of this.#processes) await driver.end();
    this.#processes.clear();
  }

  /** For a trial that failed. */
  kill() {
    for (const driver of this.#processes) driver.kill();
  }
}
