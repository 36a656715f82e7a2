/**
 * The one table of settings: what each is called in the library, in the environment and on the command line, what it
 * may be, what it is otherwise, and what it means. `load-options.ts` checks the library's options against it,
 * `flags.ts` makes the flags from it.
 */

import { RerankError } from "../errors.js";
import { gpuNames } from "./gpu-names.js";
import { address, type Kind, list, oneOf, pattern, repositoryName, text, toggle, wholeNumber } from "./kinds.js";

export interface Setting<Value> {
  readonly kind: Kind<Value>;
  readonly default: Value | undefined;
  readonly environment: string;
  readonly flag: string;
  readonly help: string;
  /** How --help puts a default that depends on the machine. */
  readonly defaultText?: string;
  /** Not repeated when it does not parse. */
  readonly secret?: true;
  /**
   * A variable that is set and empty is refused instead of counting as unset: what was meant to be a secret was lost on its
   * way, and going on without it would open the service. Not so for a secret that only opens something for us, as HF_TOKEN
   * does: without it less is possible, and the hub's other clients read it so as well.
   */
  readonly emptyRefused?: true;
}

function setting<const Value>(description: Setting<Value>): Setting<Value> {
  return description;
}

const otlpProtocol = oneOf("http/json", "http/protobuf");

export const settings = {
  modelPath: setting({
    kind: text("the path of a GGUF file", "<path>"),
    default: undefined,
    environment: "MODEL_PATH",
    flag: "--model",
    help: "a local GGUF file",
  }),
  headPath: setting({
    kind: text("the path of an .npz file", "<path>"),
    default: undefined,
    defaultText: "mlp_weights.npz beside the GGUF",
    environment: "HEAD_PATH",
    flag: "--head",
    help: "the score head",
  }),
  demo: setting({
    kind: toggle(),
    default: false,
    environment: "DEMO",
    flag: "--demo",
    help: "use the built-in demo model: it counts words and is not trained",
  }),
  modelId: setting({
    kind: repositoryName,
    default: "jinaai/jina-reranker-m0-GGUF",
    environment: "MODEL_ID",
    flag: "--model-id",
    help: "the repository of the hub to fetch from when no local file is given",
  }),
  modelFile: setting({
    kind: pattern("the path of a .gguf file in the repository", "<file>", /^(?!.*\.\.)[^\\/?#\p{C}][^\\?#\p{C}]*\.gguf$/iu),
    default: "jina-reranker-m0-Q4_K_M.gguf",
    environment: "MODEL_FILE",
    flag: "--model-file",
    help: "the GGUF file in it; the score head is beside it",
  }),
  modelRevision: setting({
    kind: pattern("a branch, a tag or a commit", "<revision>", /^(?!.*\.\.)[\w][\w./-]*$/),
    default: "main",
    environment: "MODEL_REVISION",
    flag: "--model-revision",
    help: "a branch, a tag or a commit of it; with a commit that is in the cache nothing is asked",
  }),
  headId: setting({
    kind: repositoryName,
    default: undefined,
    defaultText: "MODEL_ID, else the official one where the model has its shape",
    environment: "HEAD_ID",
    flag: "--head-id",
    help: "the repository of the hub that mlp_weights.npz is fetched from",
  }),
  hfEndpoint: setting({
    kind: address,
    default: "https://huggingface.co",
    environment: "HF_ENDPOINT",
    flag: "--hf-endpoint",
    help: "the hub, or a mirror of it",
  }),
  hfToken: setting({
    kind: pattern("a token without spaces", "<token>", /^[\x21-\x7e]+$/),
    default: undefined,
    defaultText: "the file token in HF_HOME",
    environment: "HF_TOKEN",
    flag: "--hf-token",
    secret: true,
    help: "for private and gated repositories; better as a variable, which other users of the machine do not see",
  }),
  hfHome: setting({
    kind: text("a folder", "<path>"),
    default: undefined,
    defaultText: "~/.cache/huggingface",
    environment: "HF_HOME",
    flag: "--hf-home",
    help: "the folder of the hub's clients, shared with other tools",
  }),
  hfHubCache: setting({
    kind: text("a folder", "<path>"),
    default: undefined,
    defaultText: "hub in HF_HOME",
    environment: "HF_HUB_CACHE",
    flag: "--hf-hub-cache",
    help: "the cache of the hub's files",
  }),
  hfHubOffline: setting({
    kind: toggle(),
    default: false,
    environment: "HF_HUB_OFFLINE",
    flag: "--hf-hub-offline",
    help: "ask no hub, use what is in the cache",
  }),
  contextSize: setting({
    kind: wholeNumber(16, 1_048_576),
    default: 8192,
    environment: "CTX_SIZE",
    flag: "--ctx-size",
    help: "tokens a (query, document) pair may have",
  }),
  backend: setting({
    kind: oneOf("auto", "cpu", "cuda", "metal", "vulkan"),
    default: "auto",
    environment: "BACKEND",
    flag: "--backend",
    help: "what computes: auto = a GPU when one can be used, else the CPU; a name = that one, or the start fails",
  }),
  gpuLayers: setting({
    kind: wholeNumber(0, 9999),
    default: 999,
    environment: "N_GPU_LAYERS",
    flag: "--n-gpu-layers",
    help: "layers to offload to a GPU, 0 = CPU",
  }),
  gpus: setting({
    kind: gpuNames(),
    default: undefined,
    defaultText: "the first GPU, or the CPU without one",
    environment: "GPUS",
    flag: "--gpus",
    help: "an engine on each of these GPUs, behind one queue; cpu is one on the CPU",
  }),
  threads: setting({
    kind: wholeNumber(1, 512, true),
    default: 0,
    defaultText: "physical cores",
    environment: "N_THREADS",
    flag: "--n-threads",
    help: "CPU threads",
  }),
  batchTokens: setting({
    kind: wholeNumber(64, 65_536, true),
    default: 0,
    defaultText: "512 on a CPU, 2048 on a GPU",
    environment: "BATCH_TOKENS",
    flag: "--batch-tokens",
    help: "tokens in one decode call",
  }),
  precision: setting({
    kind: oneOf("auto", "file", "f16", "bf16", "q8_0"),
    default: "auto",
    environment: "PRECISION",
    flag: "--precision",
    help: "weights as computed with; auto: whatever this machine computes fastest, file: as they are in the file",
  }),
  reproducible: setting({
    kind: oneOf("auto", "exact", "fast"),
    default: "auto",
    defaultText: "exact on a CPU, fast on a GPU",
    environment: "REPRODUCIBLE",
    flag: "--reproducible",
    help: "exact: scores do not depend on the batch, bit for bit",
  }),
  kvType: setting({
    kind: oneOf("f16", "f32", "q8_0"),
    default: "f16",
    environment: "KV_TYPE",
    flag: "--kv-type",
    help: "type of the KV cache; q8_0 doubles what the document cache holds",
  }),
  maxDocuments: setting({
    kind: wholeNumber(1, 1_000_000),
    default: undefined,
    defaultText: "100 in the service's own dialect, 1000 in the others",
    environment: "MAX_DOCUMENTS",
    flag: "--max-documents",
    help: "documents in one request; set, it holds for all dialects",
  }),
  maxQueuedPairs: setting({
    kind: wholeNumber(1, 10_000_000),
    default: 2000,
    environment: "MAX_QUEUED_PAIRS",
    flag: "--max-queued-pairs",
    help: "pairs waiting before requests are refused",
  }),
  documentCacheMb: setting({
    kind: wholeNumber(0, 16_777_216),
    default: 1024,
    environment: "DOCUMENT_CACHE_MB",
    flag: "--document-cache-mb",
    help: "MiB of host memory for document prefixes, 0 = off",
  }),
  scoreCacheMb: setting({
    kind: wholeNumber(0, 16_777_216),
    default: 16,
    environment: "SCORE_CACHE_MB",
    flag: "--score-cache-mb",
    help: "MiB of host memory for the scores of recent pairs, 0 = off",
  }),
  deduplicate: setting({
    kind: toggle("<true|false>"),
    default: true,
    environment: "DEDUPLICATE",
    flag: "--deduplicate",
    help: "compute documents that occur twice in a request once",
  }),
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
    help: "MiB for the bodies of all requests in hand together, at least twice BODY_LIMIT_MB; what does not fit gets 503 unread",
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
    help: "MiB that the process may have, model included, before scoring is refused with 503 beside what runs, 0 = no limit",
  }),
  drainDelayMs: setting({
    kind: wholeNumber(0, 600_000),
    default: 0,
    environment: "DRAIN_DELAY_MS",
    flag: "--drain-delay-ms",
    help: "milliseconds after SIGTERM in which /health says draining and requests are still taken, for balancers to notice",
  }),
  apiKeys: setting({
    kind: list("keys without spaces, separated by commas", "<key,…>", /^[\x21-\x2b\x2d-\x7e]+$/),
    default: undefined,
    environment: "API_KEYS",
    flag: "--api-keys",
    secret: true,
    emptyRefused: true,
    help: "requests have to bring one of them; better as a variable, which other users of the machine do not see",
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
    help: "web pages of these origins may ask and read the answers",
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
    help: "where spans are sent, the whole address; wins over the collector's",
  }),
  otelProtocol: setting({
    kind: otlpProtocol,
    default: "http/json",
    environment: "OTEL_EXPORTER_OTLP_PROTOCOL",
    flag: "--otel-protocol",
    help: "what is spoken to the collector; gRPC is not",
  }),
  otelTracesProtocol: setting({
    kind: otlpProtocol,
    default: undefined,
    defaultText: "OTEL_EXPORTER_OTLP_PROTOCOL",
    environment: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    flag: "--otel-traces-protocol",
    help: "the same for spans alone",
  }),
  keepAliveOnFailure: setting({
    kind: toggle(),
    default: false,
    environment: "KEEP_ALIVE_ON_FAILURE",
    flag: "--keep-alive-on-failure",
    help: "when the model cannot be had, stay up and answer with failed instead of ending with 1",
  }),
  logLevel: setting({
    kind: oneOf("trace", "debug", "info", "warn", "error", "fatal", "silent"),
    default: "info",
    environment: "LOG_LEVEL",
    flag: "--log-level",
    help: "documents and queries are never logged",
  }),
  logFormat: setting({
    kind: oneOf("auto", "json", "pretty"),
    default: "auto",
    environment: "LOG_FORMAT",
    flag: "--log-format",
    help: "json: a line of JSON each; pretty: lines for people; auto: pretty on a terminal, json elsewhere",
  }),
} as const;

export type SettingName = keyof typeof settings;

type WithoutDefault =
  | "modelPath"
  | "headPath"
  | "headId"
  | "hfToken"
  | "hfHome"
  | "hfHubCache"
  | "gpus"
  | "maxDocuments"
  | "maxRssMb"
  | "apiKeys"
  | "apiKeysFile"
  | "corsOrigins"
  | "otelEndpoint"
  | "otelTracesEndpoint"
  | "otelTracesProtocol";
type ValueOf<S> = S extends Setting<infer Value> ? Value : never;
export type Settings = {
  readonly [Name in SettingName]: ValueOf<(typeof settings)[Name]> | (Name extends WithoutDefault ? undefined : never);
};

/** A flag wins over its variable, an empty variable is unset unless its row refuses that. Throws invalid_option at the first value that does not parse. */
export function readSettings<const Name extends SettingName>(
  names: readonly Name[],
  flags: Readonly<Partial<Record<SettingName, string>>>,
  environment: Readonly<Record<string, string | undefined>>,
): Pick<Settings, Name> {
  const values = names.map((name) => {
    const row: Setting<unknown> = settings[name];
    const flag = flags[name];
    if (flag !== undefined) return [name, parse(row, row.flag, flag)];
    const variable = environment[row.environment];
    if (variable === "" && row.emptyRefused) {
      const what = `${row.environment}: expected ${row.kind.allowed}, got an empty value`;
      throw new RerankError("invalid_option", `${what}; unset it when there is none to be`);
    }
    return [name, variable === undefined || variable === "" ? row.default : parse(row, row.environment, variable)];
  });
  // fromEntries forgets which value belongs to which name; the rows above are what ties them together.
  return Object.fromEntries(values) as Pick<Settings, Name>;
}

function parse(row: Setting<unknown>, source: string, given: string): unknown {
  const value = row.kind.parse(given);
  if (value === undefined) {
    // An address may hold a password.
    const got = row.secret ? "something else" : JSON.stringify(given.replace(/\/\/[^\s/]*@/g, "//…@"));
    throw new RerankError("invalid_option", `${source}: expected ${row.kind.allowed}, got ${got}`);
  }
  return value;
}
