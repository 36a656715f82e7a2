/**
 * What stands between a request that may be scored and its body: room for it among all bodies in hand, and a pace at which it
 * has to arrive. Runs after keys, admission and the state of the server; who asks first (`Expect: 100-continue`) is told to
 * send only then.
 */

import type { IncomingMessage } from "node:http";
import { type Readable, Transform, type TransformCallback } from "node:stream";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { RerankError } from "../errors.js";
import type { BodyLease } from "./body-budget.js";
import { toldToWhoeverReads } from "./content-encoding.js";
import { onResponseEnd } from "./disconnect.js";
import type { ServerContext } from "./context.js";

/** A smaller body of known length is here at once, or holds next to nothing while it is not. */
const watchedBytes = 64 * 2 ** 10;
/** Bytes a second that a body has to arrive with. */
const slowestPace = 16 * 2 ** 10;
const defaultPatienceMs = 5000;

/** Requests whose client waits to be told to send. */
const waiting = new WeakSet<IncomingMessage>();

/** For a server of our own: without it Node tells every client at once to send. */
export function holdExpectations({ server }: FastifyInstance): void {
  server.on("checkContinue", (request: IncomingMessage, response) => {
    waiting.add(request);
    server.emit("request", request, response);
  });
}

export function registerBodyGate(fastify: FastifyInstance, { options, bodies }: ServerContext): void {
  const { bodyPatienceMs = defaultPatienceMs } = options;
  fastify.addHook("preParsing", async (request, reply, payload) => {
    const length = bodyLength(request);
    // Without a body; or too large a one, which is refused by its length.
    if (length === 0 || (length !== undefined && length > options.bodyLimitBytes)) return payload;
    const lease = bodies.lease();
    onResponseEnd(reply.raw, () => lease.release());
    if (!lease.growTo(length ?? 0)) throw noRoom(length);
    if (waiting.delete(request.raw)) reply.raw.writeContinue();
    // What is decoded on its way is as long as its length says only by chance.
    const known = length !== undefined && payload === request.raw;
    return known && length <= watchedBytes ? payload : watched(payload, { known, lease, patienceMs: bodyPatienceMs });
  });
  fastify.addHook("onSend", async (request, reply) => {
    // It was refused unasked: whether the body comes all the same, nobody knows.
    if (waiting.has(request.raw)) reply.header("connection", "close");
  });
}

/** undefined: it will be seen when it is here. */
function bodyLength({ headers }: FastifyRequest): number | undefined {
  if (headers["transfer-encoding"] !== undefined) return undefined;
  return Number(headers["content-length"] ?? 0);
}

function noRoom(bytes?: number): RerankError {
  const size = bytes === undefined ? "" : ` of ${Math.ceil(bytes / 2 ** 20)} MiB`;
  return new RerankError("overloaded", `the bodies of other requests leave no room for one${size} now; try again`);
}

interface Watch {
  /** Whether the lease has all of it already. */
  readonly known: boolean;
  readonly lease: BodyLease;
  readonly patienceMs: number;
}

function watched(payload: Readable, watch: Watch): WatchedBody {
  const body = new WatchedBody(payload, watch).on("error", toldToWhoeverReads);
  payload.once("error", (error) => body.destroy(error));
  payload.once("close", () => {
    if (!payload.readableEnded) body.destroy(new RerankError("client_closed", "the client left before its body was here"));
  });
  return payload.pipe(body);
}

/** Passes a body on, counts it, and fails when it grows beyond what there is room for or comes too slowly. */
class WatchedBody extends Transform {
  readonly #source: Readable;
  readonly #watch: Watch;
  readonly #timer: NodeJS.Timeout;
  #received = 0;
  #receivedBefore = 0;

  constructor(source: Readable, watch: Watch) {
    super();
    this.#source = source;
    this.#watch = watch;
    this.#timer = setInterval(() => this.#checkPace(), watch.patienceMs);
  }

  /** Where something before this decoded it: how long it was encoded, which is what Fastify compares with its length. */
  get receivedEncodedLength(): number | undefined {
    const source: unknown = Reflect.get(this.#source, "receivedEncodedLength");
    return typeof source === "number" ? source : undefined;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#received += chunk.length;
    const fits = this.#watch.known || this.#watch.lease.growTo(this.#received);
    if (fits) done(null, chunk);
    else done(noRoom());
  }

  override _flush(done: TransformCallback): void {
    clearInterval(this.#timer);
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearInterval(this.#timer);
    done(error);
  }

  #checkPace(): void {
    const arrived = this.#received - this.#receivedBefore;
    this.#receivedBefore = this.#received;
    const { patienceMs } = this.#watch;
    if (arrived >= (slowestPace * patienceMs) / 1000) return;
    const message = `the body came too slowly: ${arrived} bytes in ${patienceMs} ms, expected at least ${slowestPace} a second`;
    this.destroy(new RerankError("request_timeout", message));
  }
}
