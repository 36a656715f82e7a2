/** Reads the results of one run and one model for the claims, and formats their figures. */

/** @import { DocumentsSample, Facts, Results, TrialResult } from "./types.js" */

/** Thrown when a claim cannot be read from the results; its message goes into the table. */
export class NotMeasured extends Error {}

export class Reader {
  /** @type {Results} */
  #results;
  /** @type {string} */
  #model;

  /**
   * @param {Results} results
   * @param {string} model
   */
  constructor(results, model) {
    this.#results = results;
    this.#model = model;
  }

  get model() {
    const model = this.#results.models[this.#model];
    if (!model) throw new NotMeasured("not run");
    return model;
  }

  /**
   * Instruction sets of the machine that a trial ran on.
   *
   * @param {string} trial
   */
  features(trial) {
    return (this.#results.trials[`${this.#model}/${trial}`]?.machine ?? this.#results.machine).features;
  }

  /**
   * @template {TrialResult["kind"]} Kind
   * @param {string} trial
   * @param {Kind} kind
   * @param {string} [model]
   * @returns {Extract<TrialResult, { kind: Kind }>}
   */
  trial(trial, kind, model = this.#model) {
    const result = this.#results.trials[`${model}/${trial}`]?.result;
    if (!isKind(result, kind)) throw new NotMeasured("not run");
    return result;
  }

  /**
   * The results of one driver on one set of a trial.
   *
   * @param {string} trial
   * @param {string} driver
   * @param {number} [set]
   * @returns {DocumentsSample & { tokens: number }}
   */
  documents(trial, driver, set = 0) {
    const found = this.trial(trial, "documents").sets[set];
    const sample = found?.drivers[driver];
    if (!found || !sample) {
      const why = this.#results.trials[`${this.#model}/${trial}`]?.left[driver]?.split("\n")[0];
      throw new NotMeasured(why === undefined ? `${driver} was not run` : `not measured: ${why}`);
    }
    if (!sample.agrees) throw new NotMeasured(`${driver} scored differently, by ${(sample.difference ?? Number.NaN).toFixed(3)}`);
    return { ...sample, tokens: found.tokens };
  }

  /**
   * The facts that a driver reported about itself.
   *
   * @param {string} trial
   * @param {string} driver
   * @returns {Facts}
   */
  facts(trial, driver) {
    return this.#results.trials[`${this.#model}/${trial}`]?.facts[driver] ?? {};
  }

  /** What torch reached on the card. */
  get probe() {
    const { probe } = this.#results;
    if (!probe) throw new NotMeasured("the probe was not run");
    return probe;
  }

  /**
   * Median seconds.
   *
   * @param {string} trial
   * @param {string} driver
   */
  cold(trial, driver) {
    return this.documents(trial, driver).cold.median;
  }

  /**
   * @param {string} trial
   * @param {string} driver
   */
  warm(trial, driver) {
    const { warm } = this.documents(trial, driver);
    if (!warm) throw new NotMeasured(`${driver} was not asked again`);
    return warm.median;
  }

  /**
   * The faster one of the drivers that ran.
   *
   * @param {string} trial
   * @param {readonly string[]} drivers
   */
  fastest(trial, drivers) {
    const { sets } = this.trial(trial, "documents");
    const ran = drivers.filter((driver) => sets[0]?.drivers[driver]);
    if (ran.length === 0) throw new NotMeasured(`${drivers.join(" and ")} were not run`);
    return ran
      .map((driver) => ({ driver, seconds: this.cold(trial, driver) }))
      .reduce((best, candidate) => (candidate.seconds < best.seconds ? candidate : best));
  }
}

/**
 * @template {TrialResult["kind"]} Kind
 * @param {TrialResult | undefined} result
 * @param {Kind} kind
 * @returns {result is Extract<TrialResult, { kind: Kind }>}
 */
function isKind(result, kind) {
  return result?.kind === kind;
}

export const times = (/** @type {number} */ ratio) => `${ratio.toFixed(2)} ×`;
export const percent = (/** @type {number} */ share) => `${(100 * share).toFixed(0)} %`;
