/** The parent's end of decoder-main.ts: one process that decodes one image at a time. */

import { type ChildProcess, fork } from "node:child_process";
import { RerankError } from "../errors.js";
import type { DecodeRequest, DecoderMessage, LoadedImage } from "./decoder-protocol.js";

/** Without the service's keys and tokens, and without NODE_OPTIONS. */
const inherited = ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SystemRoot", "TEMP", "TMPDIR"];

const startMs = 60_000;

export class DecoderProcess {
  readonly #child: ChildProcess;
  #settle: (answer: DecoderMessage | undefined) => void = () => {};
  /** Rejects with images_not_supported when there is no sharp. */
  readonly ready: Promise<void>;

  constructor(entry: URL) {
    const known = inherited.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]));
    const env = { ...Object.fromEntries(known), VIPS_BLOCK_UNTRUSTED: "1" };
    const [stdio, execArgv] = [["ignore", "ignore", "ignore", "ipc"] as const, ["--expose-gc"]];
    this.#child = fork(entry, { serialization: "advanced", stdio: [...stdio], execArgv, env });
    this.#child.on("message", (message: DecoderMessage) => this.#settle(message));
    // The end of a process shows here, after its last message.
    for (const end of ["disconnect", "error"]) this.#child.on(end, () => this.#settle(undefined));
    this.ready = this.#answer(startMs).then((answer) => {
      if (answer?.kind === "ready") return;
      this.end();
      if (answer?.kind === "no decoder") throw withoutSharp(answer.reason);
      throw new RerankError("engine_error", "the process that decodes images could not be started");
    });
    // Whoever decodes meets the failure.
    this.ready.catch(() => {});
  }

  /** Throws image_invalid, image_too_large, or the signal's reason. `limitMs` and the signal end the process. */
  async decode(request: DecodeRequest, limitMs: number, signal?: AbortSignal): Promise<LoadedImage> {
    signal?.throwIfAborted();
    const kill = () => this.end();
    signal?.addEventListener("abort", kill, { once: true });
    try {
      await this.ready.catch((error) => {
        signal?.throwIfAborted();
        throw error;
      });
      const answer = this.#answer(limitMs);
      this.#child.send(request);
      const outcome = await answer;
      if (outcome?.kind === "image") return outcome.image;
      if (outcome?.kind === "refused") throw new RerankError(outcome.code, outcome.message);
      signal?.throwIfAborted();
      throw new RerankError("image_invalid", "expected an image that can be decoded, got one that the decoder failed on");
    } finally {
      signal?.removeEventListener("abort", kill);
    }
  }

  get ended(): boolean {
    return !this.#child.connected;
  }

  end(): void {
    this.#child.kill("SIGKILL");
    if (this.#child.connected) this.#child.disconnect();
  }

  /** The next message; undefined = the process ended. Only meanwhile it keeps this process alive. */
  async #answer(limitMs: number): Promise<DecoderMessage | undefined> {
    const child = this.#child;
    child.ref();
    child.channel?.ref();
    const timer = setTimeout(() => {
      this.end();
      const message = `expected an image that can be decoded within ${limitMs / 1000} s, got one that cannot`;
      this.#settle({ kind: "refused", code: "image_invalid", message });
    }, limitMs);
    try {
      return await new Promise((resolve) => {
        this.#settle = resolve;
      });
    } finally {
      clearTimeout(timer);
      child.unref();
      child.channel?.unref();
    }
  }
}

function withoutSharp(reason: string): RerankError {
  const install = "expected the package sharp, which reads images; install it with: npm install sharp@0.35";
  return new RerankError("images_not_supported", `${install} (${reason.split("\n", 1)[0]})`);
}
