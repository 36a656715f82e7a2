/** The harness's side of a driver's process. It sends one question at a time and waits for its answer. */

import { fork } from "node:child_process";
import { once } from "node:events";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** @import { Actions, DriverEntry } from "./types.js" */

const host = join(dirname(fileURLToPath(import.meta.url)), "driver-host.mjs");

export class DriverProcess {
  /** @type {import("node:child_process").ChildProcess} */
  #child;
  /** @type {string} */
  #name;
  #said = "";

  /** @param {DriverEntry} entry */
  constructor({ name }) {
    this.#name = name;
    this.#child = fork(host, [name], { serialization: "advanced", stdio: ["ignore", "pipe", "pipe", "ipc"] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
        this.#said = (this.#said + text).slice(-4000);
      });
    }
  }

  /**
   * @template {keyof Actions} Name
   * @param {Name} name
   * @param {Parameters<Actions[Name]>[0]} argument
   * @returns {Promise<ReturnType<Actions[Name]>>}
   */
  async ask(name, argument) {
    /** @type {Promise<{ value: ReturnType<Actions[Name]> } | { error: string }>} */
    const answer = new Promise((resolve, reject) => {
      const ended = () => reject(new Error(`${this.#name} ended at "${name}"; its output ended with:\n${this.#said}`));
      this.#child.once("exit", ended);
      this.#child.once("message", (/** @type {{ value: ReturnType<Actions[Name]> } | { error: string }} */ message) => {
        this.#child.off("exit", ended);
        resolve(message);
      });
      this.#child.send({ name, argument }, (error) => {
        if (error) reject(error);
      });
    });
    const message = await answer;
    if ("error" in message) throw new Error(`${this.#name}, "${name}": ${message.error}`);
    return message.value;
  }

  /** Closes the driver and ends the process. */
  async end() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    try {
      if (this.#child.connected) await this.ask("close", null);
    } finally {
      this.#child.kill("SIGKILL");
      await exited;
    }
  }

  /** Ends the process at once, together with a server that it started. Call it when a trial failed. */
  kill() {
    if (this.#child.connected) this.#child.disconnect();
  }
}
