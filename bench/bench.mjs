/** What a trial runs with: its model, its texts, and the drivers' processes, which end with it. */

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
  /** The facts that each driver reported about itself. @type {Record<string, Facts>} */
  facts = {};
  /** Driver -> reason why it could not run. @type {Record<string, string>} */
  left = {};
  /** Driver -> address, for drivers that are servers. @type {Map<string, string>} */
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
   * @param {Partial<DriverSettings>} defaults
   * @returns {DriverSettings}
   */
  settings({ settings }, defaults = {}) {
    return { ...this.#model, ...this.options, contextSize: 8192, ...defaults, ...settings };
  }

  /**
   * The names of the requested drivers that can run on this machine.
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
   * @returns {DriverProcess} The same driver, which now ends with the trial.
   */
  keep(driver) {
    this.#processes.add(driver);
    return driver;
  }

  /**
   * Starts drivers and lets each compute a request, so that the extra time of a first request is not measured.
   *
   * @param {readonly string[]} names
   * @param {Partial<DriverSettings>} [defaults] What drivers get that do not set it themselves.
   * @returns {Promise<Map<string, DriverProcess>>} In the order of `names`, without those that cannot run.
   */
  async open(names, defaults) {
    /** @type {Map<string, DriverProcess>} */
    const open = new Map();
    for (const name of await this.available(names)) {
      const entry = driverNamed(name);
      const driver = this.keep(new DriverProcess(entry));
      try {
        const { facts, url } = await driver.ask("open", this.settings(entry, defaults));
        await driver.ask("score", this.corpus.request([16, 16]));
        this.facts[name] = facts;
        if (url !== undefined) this.urls.set(name, url);
        open.set(name, driver);
      } catch (error) {
        // A rival that cannot run this model is a result. Our own driver must run it.
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

  /** Call it when a trial failed. */
  kill() {
    for (const driver of this.#processes) driver.kill();
  }
}
