/** The HTTP service. */

import { list, oneOf, pattern, text, toggle, wholeNumber } from "../kinds.js";
import { setting } from "../setting.js";

const otlpProtocol = oneOf("http/json", "http/protobuf");

/** How requests are served, wherever the routes are mounted. */
export const routeRows = {
  requestTimeoutMs: setting({
    // setTimeout's limit.
    kind: wholeNumber(1, 2_147_483_647),
    default: 60_000,
    environment: "REQUEST_TIMEOUT_MS",
    flag: "--request-timeout-ms",
    help: "milliseconds before a request is answered with 504",
  }),
  bodyLimitMb: setting({
    // V8's longest string is 512 MiB.
    kind: wholeNumber(1, 511),
    default: 32,
    environment: "BODY_LIMIT_MB",
    flag: "--body-limit-mb",
    help: "MiB; larger bodies get 413",
  }),
  bodiesLimitMb: setting({
    kind: wholeNumber(1, 16_777_216),
    default: 256,
    environment: "BODIES_LIMIT_MB",
    flag: "--bodies-limit-mb",
    help: "MiB for the bodies of all requests in flight and the pixels of their images, at least twice BODY_LIMIT_MB; a body that does not fit gets 503 unread",
  }),
  maxEventLoopDelayMs: setting({
    kind: wholeNumber(0, 3_600_000),
    default: 1000,
    environment: "MAX_EVENT_LOOP_DELAY_MS",
    flag: "--max-event-loop-delay-ms",
    help: "milliseconds that JavaScript may lag before scoring is refused with 503, 0 = no limit",
  }),
  maxRssMb: setting({
    kind: wholeNumber(0, 16_777_216),
    default: undefined,
    defaultText: "nine tenths of the control group's limit",
    environment: "MAX_RSS_MB",
    flag: "--max-rss-mb",
    help: "MiB of memory for the process, model included; beyond it requests get 503 while others run, 0 = no limit",
  }),
  apiKeys: setting({
    kind: list("keys without spaces, separated by commas", "<key,…>", /^[\x21-\x2b\x2d-\x7e]+$/),
    default: undefined,
    environment: "API_KEYS",
    flag: "--api-keys",
    secret: true,
    emptyRefused: true,
    help: "every request needs one of these keys; other users of the machine can see a flag, but not a variable",
  }),
  apiKeysFile: setting({
    kind: text("the path of a file with a key a line", "<path>"),
    default: undefined,
    environment: "API_KEYS_FILE",
    flag: "--api-keys-file",
    emptyRefused: true,
    help: "more keys, one a line as name:key or key; read again on SIGHUP and when it changes",
  }),
  corsOrigins: setting({
    kind: list("origins such as https://app.example, separated by commas, or *", "<origin,…>", /^(\*|https?:\/\/[^\s/?#,*]+)$/),
    default: undefined,
    environment: "CORS_ORIGIN",
    flag: "--cors-origin",
    help: "pages of these origins may send requests and read the answers",
  }),
};

/** Where the service listens, how it ends, and who gets its traces. */
export const processRows = {
  port: setting({
    kind: wholeNumber(0, 65_535),
    default: 8081,
    environment: "PORT",
    flag: "--port",
    help: "where the service listens, 0 = any free port",
  }),
  host: setting({
    kind: text("a host name or address", "<host>"),
    default: "0.0.0.0",
    environment: "HOST",
    flag: "--host",
    help: "the address the service listens on",
  }),
  drainDelayMs: setting({
    kind: wholeNumber(0, 600_000),
    default: 0,
    environment: "DRAIN_DELAY_MS",
    flag: "--drain-delay-ms",
    help: "milliseconds after SIGTERM in which /health says draining and requests are still taken, so that balancers notice",
  }),
  otelEndpoint: setting({
    kind: pattern("an http or https address", "<url>", /^https?:\/\/[^\s?#]+$/),
    default: undefined,
    environment: "OTEL_EXPORTER_OTLP_ENDPOINT",
    flag: "--otel-endpoint",
    help: "an OpenTelemetry collector that takes OTLP over HTTP; spans are sent to /v1/traces there",
  }),
  otelTracesEndpoint: setting({
    kind: pattern("an http or https address", "<url>", /^https?:\/\/[^\s#]+$/),
    default: undefined,
    environment: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    flag: "--otel-traces-endpoint",
    help: "the whole address that spans are sent to; wins over the collector's",
  }),
  otelProtocol: setting({
    kind: otlpProtocol,
    default: "http/json",
    environment: "OTEL_EXPORTER_OTLP_PROTOCOL",
    flag: "--otel-protocol",
    help: "the protocol of the collector; gRPC is not supported",
  }),
  otelTracesProtocol: setting({
    kind: otlpProtocol,
    default: undefined,
    defaultText: "OTEL_EXPORTER_OTLP_PROTOCOL",
    environment: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    flag: "--otel-traces-protocol",
    help: "the protocol of the address that spans are sent to",
  }),
  keepAliveOnFailure: setting({
    kind: toggle(),
    default: false,
    environment: "KEEP_ALIVE_ON_FAILURE",
    flag: "--keep-alive-on-failure",
    help: "when the model cannot be loaded, stay up and answer with failed instead of ending with 1",
  }),
};
