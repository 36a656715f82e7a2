/**
 * The one path from a request to its scores: library, command line, server and benchmark all use it. It owns the loaded
 * engines, checks requests, hands them over, and cancels the jobs of aborted signals.
 */

import { tracingChannel } from "node:diagnostics_channel";
import type { EngineInfo, EngineStats } from "../binding.js";
import { loadEngines } from "./engine/load.js";
import { enginesOn, sharersOf, sharingDevices } from "./engine/placement.js";
import { EnginePool } from "./engine/pool.js";
import { rank } from "./engine/ranking.js";
import { fromNative, RerankError } from "./errors.js";
import { ImageLoader } from "./images/image-loader.js";
import { namedFiles } from "./load.js";
import { readScoreHead } from "./model/head.js";
import { requireModelFile } from "./model/local-file.js";
import { loadAddon } from "./native/addon.js";
import { prepareBackend } from "./native/backends.js";
import { bestOf, inDocuments, keptOf } from "./passages/cut-documents.js";
import { type Prepared, withPassages } from "./passages/prepare.js";
import { loadOrSource } from "./precision/load-or-source.js";
import { choosePrecision } from "./precision/precision.js";
import { type Contents, checkDocuments, checkRanking, checkRequest, type FieldImage, imagesOf } from "./requests/check.js";
import { type LoadedRequest, textsOf, withPixels } from "./requests/pixels.js";
import { keepResponse, scoreResponse, unscoredResponse } from "./requests/response.js";
import { settle } from "./requests/settle.js";
import { TimeLimit } from "./requests/time-limit.js";
import { checkLoadOptions, resolveLoadOptions } from "./settings/load-options.js";
import { namedModel } from "./settings/named-model.js";
import type {
  Content,
  DemoLoadOptions,
  DeviceState,
  FailedDevice,
  HubLoadOptions,
  KeepRequest,
  KeepResponse,
  Limits,
  LoadOptions,
  Logger,
  PrecisionChoice,
  RerankRequest,
  RerankResponse,
  ScoreRequest,
  ScoreResponse,
  ScoreTrace,
} from "./types.js";

/** Node publishes nothing while nobody subscribes. */
const scoreChannel = tracingChannel<ScoreTrace, ScoreTrace>("jina-reranker:score");

/** Without a logger, what is worth a warning is a warning of the process. */
const processWarnings: Logger = { info: () => {}, warn: (line) => process.emitWarning(line, "RerankWarning") };

export class Reranker implements AsyncDisposable {
  readonly #engines: EnginePool;
  /** undefined = there is no vision tower. */
  readonly #images: ImageLoader | undefined;
  /** Which precision the weights are computed in, and why. */
  readonly precision: PrecisionChoice;
  /** What the load options allow. */
  readonly limits: Limits;

  private constructor(engines: EnginePool, images: ImageLoader | undefined, precision: PrecisionChoice, limits: Limits) {
    this.#engines = engines;
    this.#images = images;
    this.precision = precision;
    this.limits = limits;
  }

  /** Loads a model and its score head. Rejects with a RerankError that names the option or the file. */
  static async load(options: LoadOptions | HubLoadOptions | DemoLoadOptions): Promise<Reranker> {
    const model = namedModel(options);
    if (model.kind === "file") return Reranker.#loadFiles(model.options);
    checkLoadOptions(model.options);
    const { logger = processWarnings, onProgress, headPath, mmprojPath } = model.options;
    // A wrong path shows before a gigabyte is fetched.
    if (mmprojPath !== undefined) await requireModelFile(mmprojPath);
    const files = await namedFiles(model, {
      withHead: headPath === undefined,
      onTransfer: ({ bytes, totalBytes }) => onProgress?.(bytes / Math.max(1, totalBytes), "fetching"),
      logger,
    });
    return Reranker.#loadFiles({ ...model.options, ...files, ...(headPath !== undefined && { headPath }) });
  }

  static async #loadFiles(options: Partial<LoadOptions>): Promise<Reranker> {
    const { headPath, maxDocuments, maxImages, imageLimits, precision, gpus, ...resolved } = resolveLoadOptions(options);
    const { vision, maxQueuedPairs } = resolved;
    const { onProgress = () => {}, logger = processWarnings } = options;
    // Before the head is read: of a wrong model path, the error would be a missing head beside it.
    await requireModelFile(resolved.modelPath);
    const towerBytes = vision ? await requireModelFile(vision.mmprojPath) : 0;
    const engineOptions = { ...resolved, head: await readScoreHead(headPath) };
    const unusedCard = await prepareBackend(resolved.gpuLayers === 0 ? "cpu" : resolved.backend);
    if (unusedCard !== undefined) logger.warn(unusedCard);
    const images = vision && new ImageLoader(imageLimits);
    try {
      await images?.check();
      const { backends, inspect } = loadAddon().binding;
      const { devices } = backends();
      const each = enginesOn(gpus, engineOptions, devices);
      const sharers = sharersOf(each[0], each);
      const chosen = await choosePrecision(each[0], precision, { onProgress, logger }, { sharers, towerBytes });
      const load = (modelPath: string) =>
        loadEngines(
          sharingDevices(each, devices, () => inspect(modelPath).bytes + towerBytes),
          modelPath,
          (fraction) => onProgress(fraction, "loading"),
        );
      const { loaded, choice } = await loadOrSource(chosen, resolved.modelPath, load, logger);
      const limits = {
        ...{ maxDocuments, maxQueuedPairs, maxImages: images ? maxImages : 0 },
        ...(images && { imageMaxBytes: imageLimits.maxBytes, imageMaxPixels: imageLimits.maxPixels }),
      };
      return new Reranker(new EnginePool(loaded, maxQueuedPairs), images, choice, limits);
    } catch (error) {
      images?.[Symbol.dispose]();
      const known = fromNative(error);
      // The arguments of a load are the caller's options, not a request.
      const wrongOption = known instanceof RerankError && known.code === "invalid_request";
      throw wrongOption ? new RerankError("invalid_option", known.message, { cause: error }) : known;
    }
  }

  /** What was loaded and how it runs. */
  get info(): EngineInfo {
    return this.#engines.info;
  }

  /** The devices that it runs on, in the order of `gpus`, and whether each still works. */
  get devices(): readonly DeviceState[] {
    return this.#engines.devices;
  }

  /** Calls `listener` for each device that fails from now on, until the returned function is called. */
  onDeviceFailed(listener: (device: FailedDevice) => void): () => void {
    return this.#engines.onFailed(listener);
  }

  /** Counts since loading, and the present length of the queue. */
  stats(): EngineStats {
    return this.#engines.stats();
  }

  /** Scores in document order. Subscribers of `tracing:jina-reranker:score:…` are told of it, as ScoreTrace describes. */
  async score(request: ScoreRequest<Content>): Promise<ScoreResponse> {
    this.check(request);
    const images = imagesOf(request);
    const trace = { documents: request.documents.length, images: images.length };
    return scoreChannel.tracePromise(() => this.#score(request, images), trace);
  }

  async #score(request: ScoreRequest<Content>, images: readonly FieldImage[]): Promise<ScoreResponse> {
    const { signal } = request;
    signal?.throwIfAborted();
    const begun = performance.now();
    using limit = new TimeLimit(request.timeoutMs);
    try {
      // Whole texts are handed over in the same turn of the JavaScript thread.
      const whole: Prepared<LoadedRequest> | undefined = request.passages ? undefined : textsOf(request);
      const loaded = whole ?? (await limit.within(signal, (ended) => this.#prepared(request, images, ended)));
      if (!loaded) return unscoredResponse(request.documents.length, performance.now() - begun);
      const { query, documents, imageMs, cut } = loaded;
      request.onQueue?.();
      const job = this.#engines.submit({ query, documents, ...engineOptions(request) });
      limit.whenOver(() => job.stop());
      const result = await settle(job, signal).catch(inDocuments(cut));
      const response = scoreResponse(result, imageMs);
      return cut ? bestOf(cut, response) : response;
    } catch (error) {
      throw signal?.aborted ? signal.reason : fromNative(error);
    }
  }

  async #prepared(
    request: ScoreRequest<Content>,
    images: readonly FieldImage[],
    signal?: AbortSignal,
  ): Promise<Prepared<LoadedRequest>> {
    const loaded = textsOf(request) ?? (await this.#withPixels(request, images, signal));
    return withPassages(loaded, request, this.#engines, this.limits.maxQueuedPairs, signal);
  }

  async #withPixels(contents: Contents, images: readonly FieldImage[], signal?: AbortSignal): Promise<LoadedRequest> {
    if (!this.#images) throw new Error("a request with images passed the check without a vision tower");
    return withPixels(contents, images, this.#images, signal);
  }

  /** The documents in rank order, those that have a score. */
  async rerank(request: RerankRequest): Promise<RerankResponse>;
  async rerank<Document extends Content>(request: RerankRequest<Document>): Promise<RerankResponse<Document>>;
  async rerank<Document extends Content>(request: RerankRequest<Document>): Promise<RerankResponse<Document>> {
    checkRanking(request);
    const { topK, minScore, documents } = request;
    const { scores, logits, unscored, droppedTokens, passages, usage, timings } = await this.score(request);
    const results = rank(scores, topK, minScore).map((index) => ({
      index,
      score: scores[index] as number,
      logit: logits[index] as number,
      document: documents[index] as Document,
      droppedTokens: droppedTokens[index] as number,
      ...(passages?.[index] && { passage: passages[index] }),
    }));
    const truncated = droppedTokens.filter((dropped) => dropped > 0).length;
    return { results, unscored, truncated, usage, timings };
  }

  /**
   * Computes the KV states of documents before a query comes, and keeps them in the document cache: a query then costs its own
   * tokens alone. A document that is known costs nothing.
   */
  async keep(request: KeepRequest): Promise<KeepResponse> {
    this.checkKeep(request);
    const { signal } = request;
    signal?.throwIfAborted();
    const contents = { query: "", documents: request.documents };
    try {
      const loaded = await this.#prepared({ ...request, ...contents }, imagesOf(contents), signal);
      const { documents, imageMs, cut } = loaded;
      request.onQueue?.();
      const job = this.#engines.keep({ documents, ...engineOptions(request) });
      const result = await settle(job, signal).catch(inDocuments(cut));
      return keepResponse(cut ? keptOf(cut, result) : result, imageMs);
    } catch (error) {
      throw signal?.aborted ? signal.reason : fromNative(error);
    }
  }

  /** Finishes the running batch, fails waiting requests with `closed`, frees the model. Idempotent. */
  async close(): Promise<void> {
    this.#images?.[Symbol.dispose]();
    await this.#engines.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Throws the error that `keep` would reject with before it does any work. */
  checkKeep(request: KeepRequest): void {
    checkDocuments(request, this.limits);
  }

  /** Throws the error that `score` would reject with before it does any work. */
  check(request: ScoreRequest<Content>): void {
    checkRequest(request, this.limits);
  }
}

/** What the engine is told of a request beside its contents. */
function engineOptions({ instruction, maxDocumentTokens, truncate, priority }: KeepRequest) {
  return {
    ...(instruction !== undefined && { instruction }),
    ...(maxDocumentTokens !== undefined && { maxDocumentTokens }),
    ...(truncate !== undefined && { truncate }),
    ...(priority !== undefined && { priority }),
  };
}
