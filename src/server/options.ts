/** What the HTTP service is set to. */

import type { RouteSettings } from "../settings/table.js";
import type { Tracing } from "./observe/open-telemetry.js";
import { defaultMaxRssBytes, type PressureLimits } from "./pressure.js";

export interface ServerOptions extends PressureLimits {
  /** The `model` of answers. */
  readonly modelName: string;
  readonly requestTimeoutMs: number;
  readonly bodyLimitBytes: number;
  /** Bytes that the bodies of all requests in flight may have together; default: no limit. */
  readonly bodiesLimitBytes?: number;
  /** Milliseconds within which the next bytes of a body have to arrive; default 5,000. */
  readonly bodyPatienceMs?: number;
  /** Where there are any, every request needs one of them. */
  readonly apiKeys?: readonly string[];
  /** The path of a file with more keys. */
  readonly apiKeysFile?: string;
  /** Origins whose pages may read the answers; "*" = all. */
  readonly corsOrigins?: readonly string[];
  /** Milliseconds for which a draining service still takes requests, so that balancers notice; default 0. */
  readonly drainDelayMs?: number;
  readonly tracing?: Tracing;
}

export function serverOptions(modelName: string, settings: RouteSettings): ServerOptions {
  const { requestTimeoutMs, bodyLimitMb, bodiesLimitMb, maxEventLoopDelayMs, maxRssMb } = settings;
  const { apiKeys, apiKeysFile, corsOrigins } = settings;
  return {
    ...{ modelName, requestTimeoutMs, maxEventLoopDelayMs },
    bodyLimitBytes: bodyLimitMb * 2 ** 20,
    // The largest body must fit the share that large ones have.
    bodiesLimitBytes: Math.max(bodiesLimitMb, 2 * bodyLimitMb) * 2 ** 20,
    maxRssBytes: maxRssMb === undefined ? defaultMaxRssBytes() : maxRssMb * 2 ** 20,
    ...(apiKeys && { apiKeys }),
    ...(apiKeysFile !== undefined && { apiKeysFile }),
    ...(corsOrigins && { corsOrigins }),
  };
}
