/** A collector that receives OTLP over HTTP as JSON and keeps the spans. */

import { once } from "node:events";
import { createServer } from "node:http";

export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly traceState?: string;
  /** OTLP's span kind: 1 = internal, 2 = server. */
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code?: number };
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}

interface Export {
  readonly resourceSpans: readonly {
    readonly resource: Pick<ReceivedSpan, "attributes">;
    readonly scopeSpans: readonly { readonly spans: readonly ReceivedSpan[] }[];
  }[];
}

export interface OtlpDouble extends AsyncDisposable {
  readonly url: string;
  readonly spans: readonly ReceivedSpan[];
  readonly services: ReadonlySet<unknown>;
  /** Body, as text, and content type of each request. Protobuf is kept but not decoded. */
  readonly bodies: readonly string[];
  readonly contentTypes: readonly string[];
}

export async function startOtlpDouble(): Promise<OtlpDouble> {
  const spans: ReceivedSpan[] = [];
  const services = new Set<unknown>();
  const bodies: string[] = [];
  const contentTypes: string[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request.setEncoding("utf8")) body += String(chunk);
    if (request.url !== "/v1/traces" || request.method !== "POST") {
      response.writeHead(404).end();
      return;
    }
    bodies.push(body);
    const contentType = request.headers["content-type"] ?? "";
    contentTypes.push(contentType);
    if (contentType !== "application/json") {
      response.writeHead(200, { "content-type": contentType }).end();
      return;
    }
    const { resourceSpans }: Export = JSON.parse(body);
    for (const { resource, scopeSpans } of resourceSpans) {
      services.add(attributesOf(resource)["service.name"]);
      for (const scope of scopeSpans) spans.push(...scope.spans);
    }
    response.writeHead(200, { "content-type": "application/json" }).end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the collector has no port");
  return {
    ...{ url: `http://127.0.0.1:${address.port}`, spans, services, bodies, contentTypes },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

export function attributesOf({ attributes }: Pick<ReceivedSpan, "attributes">): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
