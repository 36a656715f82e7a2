/** Starts a server in a process of its own, waits for its output, and ends it. */

import { spawn } from "node:child_process";
import { once } from "node:events";

const keptLines = 40;

/**
 * @typedef {object} Child
 * @property {number} pid
 * @property {(pattern: RegExp) => Promise<RegExpMatchArray>} line The first line of its output that matches.
 * @property {(pattern: RegExp) => boolean} said Whether one of its last lines matches.
 * @property {() => Promise<void>} stop
 */

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {Record<string, string>} [environment]
 * @returns {Promise<Child>}
 */
export async function startChild(command, args, environment = {}) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, ...environment } });
  await once(child, "spawn");
  const { pid } = child;
  if (pid === undefined) throw new Error(`${command} has no process id`);
  /** @type {string[]} */
  const lines = [];
  /** @type {Set<(line: string) => void>} */
  const listeners = new Set();
  for (const stream of [child.stdout, child.stderr]) {
    let rest = "";
    stream.setEncoding("utf8").on("data", (/** @type {string} */ chunk) => {
      const parts = (rest + chunk).split("\n");
      rest = parts.pop() ?? "";
      for (const line of parts) {
        lines.push(line);
        if (lines.length > keptLines) lines.shift();
        for (const listener of listeners) listener(line);
      }
    });
  }
  const closed = once(child, "close");
  // The server must end together with the driver's process.
  process.on("exit", () => child.kill("SIGKILL"));
  return {
    pid,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const failed = () => reject(new Error(`${command} ended before it was ready:\n${lines.join("\n")}`));
        /** @param {string} line */
        const listener = (line) => {
          const match = line.match(pattern);
          if (!match) return;
          listeners.delete(listener);
          child.off("close", failed);
          resolve(match);
        };
        listeners.add(listener);
        child.once("close", failed);
        if (child.exitCode !== null || child.signalCode !== null) failed();
        for (const line of [...lines]) listener(line);
      }),
    said: (pattern) => lines.some((line) => pattern.test(line)),
    async stop() {
      child.kill("SIGTERM");
      await closed;
    },
  };
}
