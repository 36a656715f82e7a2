/** Runs the built command in a process of its own. Run `npm run build` before the tests. */

import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { within } from "./until.js";

/** Commands load models and compute, so this is long; vitest's limit for a test is 300 s. */
const endMs = 240_000;

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunningCommand {
  readonly child: ChildProcessWithoutNullStreams;
  /** The time limit starts when this property is read. A command that exceeds it is killed, and the promise rejects. */
  readonly ended: Promise<Ended>;
  /** The first line of stdout, earlier or later, that `wanted` accepts. Rejects when the process ends without one. */
  line(wanted: (line: string) => boolean): Promise<string>;
}

/**
 * Passes on `variables` and the few variables that every program needs. Settings of whoever runs the tests do not matter. A service
 * refuses nothing because the machine is busy.
 */
export function startCommand(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
  program = main,
): RunningCommand {
  const { PATH, HOME, XDG_CACHE_HOME, LD_LIBRARY_PATH } = process.env;
  const env = { PATH, HOME, XDG_CACHE_HOME, LD_LIBRARY_PATH, MAX_EVENT_LOOP_DELAY_MS: "0", ...variables };
  const child = spawn(process.execPath, [program, ...args], { env });
  const lines: string[] = [];
  const waiting = new Set<(line: string) => void>();
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    for (const tell of waiting) tell(line);
  });
  const closed = once(child, "close").then(([code, signal]): Ended => ({ code, signal, stdout, stderr }));
  const line = async (wanted: (line: string) => boolean): Promise<string> => {
    const present = lines.find(wanted);
    if (present !== undefined) return present;
    const next = new Promise<string>((resolve, reject) => {
      const tell = (candidate: string) => {
        if (!wanted(candidate)) return;
        waiting.delete(tell);
        resolve(candidate);
      };
      waiting.add(tell);
      closed.then(() => reject(new Error(`ended without the line: ${stdout}${stderr}`)), reject);
    });
    return within(next, () => `a line that ${wanted.toString()} of ${args.join(" ")}, which said: ${stdout}${stderr}`);
  };
  return {
    child,
    line,
    get ended() {
      return endedWithin(child, closed, args.join(" "));
    },
  };
}

/** A command that does not end in time is killed, and the test fails. */
export async function endedWithin<Value>(
  child: ChildProcess,
  ended: Promise<Value>,
  what: string,
  limitMs = endMs,
): Promise<Value> {
  try {
    return await within(ended, () => `the end of: ${what}`, limitMs);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

export async function runCommand(
  args: readonly string[],
  { input = "", variables = {} }: { input?: string; variables?: Readonly<Record<string, string>> } = {},
): Promise<Ended> {
  const command = startCommand(args, variables);
  // A command that fails at once does not read its input.
  command.child.stdin.on("error", () => {});
  command.child.stdin.end(input);
  return command.ended;
}

/** The end of a program that was started elsewhere, with its output. `limitMs`: of a test with a longer limit than others. */
export async function ended(child: ChildProcess, limitMs = endMs): Promise<Ended> {
  const texts = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (text: string) => {
      texts[name] += text;
    });
  }
  const closed = once(child, "close").then(([code, signal]): Ended => ({ code, signal, ...texts }));
  return endedWithin(child, closed, child.spawnargs.join(" "), limitMs);
}
