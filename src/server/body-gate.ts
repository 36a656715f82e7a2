/**
 * Lets a body in when there is room for it among the bodies of all requests in flight, and while it arrives fast enough. Runs after
 * keys, admission and the state of the server. A client that asks first (`Expect: 100-continue`) is told to send only then.
 */

import type { IncomingMessage } from "node:http";
import { type Readable, Transform, type TransformCallback } from "node:stream";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { RerankError } from "../errors.js";
import type { BodyLease } from "./body-budget.js";
import { ignoreError } from "./content-encoding.js";
import type { ServerContext } from "./context.js";
import { onResponseEnd } from "./disconnect.js";
import { notesOf } from "./observe/notes.js";

/** Smaller bodies of known length are not watched: they arrive at once, or cost next to nothing while they do not. */
const watchedBytes = 64 * 2 ** 10;
/** Bytes per second at which a body has to arrive. */
const slowestPace = 16 * 2 ** 10;
const defaultPatienceMs = 5000;

/** Requests whose client waits for `100 Continue`. */
const waiting = new WeakSet<IncomingMessage>();

/** Without it Node tells every client at once to send. For a server of our own, since it concerns every route. */
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
    // There is no body, or the parser will refuse it by its length.
    if (length === 0 || (length !== undefined && length > options.bodyLimitBytes)) return payload;
    const lease = bodies.lease();
    notesOf(request).memory = lease;
    onResponseEnd(reply.raw, () => lease.release());
    if (!lease.growTo(length ?? 0)) throw noRoom(length);
    if (waiting.delete(request.raw)) reply.raw.writeContinue();
    // Content-Length is that of the compressed bytes.
    const known = length !== undefined && payload === request.raw;
    return known && length <= watchedBytes ? payload : watched(payload, { known, lease, patienceMs: bodyPatienceMs });
  });
  fastify.addHook("onSend", async (request, reply) => {
    // The request was refused before the client was told to send. The client may send its body all the same.
    if (waiting.has(request.raw)) reply.header("connection", "close");
  });
}

/** undefined = known only when all of it has arrived. */
function bodyLength({ headers }: FastifyRequest): number | undefined {
  if (headers["transfer-encoding"] !== undefined) return undefined;
  return Number(headers["content-length"] ?? 0);
}

function noRoom(bytes?: number): RerankError {
  const size = bytes === undefined ? "" : ` of ${Math.ceil(bytes / 2 ** 20)} MiB`;
  return new RerankError("overloaded", `the bodies of other requests leave no room for one${size} now; try again`);
}

interface Watch {
  /** Whether the lease covers the whole body. */
  readonly known: boolean;
  readonly lease: BodyLease;
  readonly patienceMs: number;
}

function watched(payload: Readable, watch: Watch): WatchedBody {
  const body = new WatchedBody(payload, watch).on("error", ignoreError);
  payload.once("error", (error) => body.destroy(error));
  payload.once("close", () => {
    if (!payload.readableEnded) body.destroy(new RerankError("client_closed", "the client left before its body was here"));
  });
  return payload.pipe(body);
}

/** Passes a body on and counts its bytes. Fails when there is no room for more, and when it arrives too slowly. */
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

  /** Bytes before decoding, which Fastify compares with Content-Length. */
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
