/**
 * The description of the HTTP interface: made from the schemas that validate requests and serialise answers, served as
 * OpenAPI at /docs/json and for reading and trying out at /docs. Needs no model and no network.
 */

import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { FastifyInstance } from "fastify";
import { type TSchema, Type } from "typebox";
import { type ErrorDescription, errorTable } from "../errors.js";
import { loadAddon } from "../native/addon.js";
import { ErrorBody } from "../wire/schemas.js";
import { TeiErrorBody } from "../wire/tei.js";

/** To be called before the routes are: only later ones are described. */
export async function registerOpenApi(fastify: FastifyInstance): Promise<void> {
  await fastify.register(swagger, {
    // Seen from /docs/json, so that it holds behind a path prefix as well; the plugin's own option wants an absolute one.
    transformObject: (document) => ({
      ...("openapiObject" in document ? document.openapiObject : document.swaggerObject),
      servers: [{ url: "..", description: "this service" }],
    }),
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "jina-reranker",
        description:
          "Reranking for search and RAG: documents ordered by relevance to a query, in the dialects of several services.",
        version: loadAddon().binding.version().addon,
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      tags: [
        { name: "scoring", description: "queries and documents in, scores out" },
        { name: "model", description: "what is served" },
        { name: "operation", description: "for probes and operators" },
      ],
      components: {
        securitySchemes: {
          key: {
            type: "http",
            scheme: "bearer",
            description: "wanted when API_KEYS or API_KEYS_FILE is set; X-Api-Key and Api-Key are read as well",
          },
        },
      },
    },
  });
  await fastify.register(swaggerUi, {
    routePrefix: "/docs",
    // Without the slash at its end the page would look for its files by absolute paths, where a prefix is not known.
    uiHooks: {
      onRequest(request, reply, next) {
        const [path = "", query] = request.url.split("?", 2);
        if (path.endsWith("/docs")) void reply.redirect(`docs/${query === undefined ? "" : `?${query}`}`);
        else next();
      },
    },
    staticCSP: true,
    // The plugin's own policy sends browsers to https, where nothing may listen, and lets pages of other hosts in.
    transformStaticCSP: () => contentSecurityPolicy(fastify.swaggerCSP),
    // Without the bar on top, which is another product's; by default a validator on the internet would be asked.
    uiConfig: {
      layout: "BaseLayout",
      deepLinking: true,
      displayRequestDuration: true,
      tryItOutEnabled: true,
      validatorUrl: null,
    },
    theme: { title: "jina-reranker" },
  });
}

function contentSecurityPolicy({ script, style }: { script: readonly string[]; style: readonly string[] }): string {
  const policy = {
    "default-src": "'self'",
    "base-uri": "'self'",
    "frame-ancestors": "'self'",
    "img-src": "'self' data:",
    "object-src": "'none'",
    "script-src": ["'self'", ...script].join(" "),
    "style-src": ["'self'", ...style].join(" "),
  };
  return Object.entries(policy)
    .map((directive) => directive.join(" "))
    .join("; ");
}

type Responses = Readonly<Record<number, TSchema>>;

/** Response schemas for rows of the error table: one a status, with what leads to it as its description. */
function responsesFor(wanted: (code: string, row: ErrorDescription) => boolean, body: TSchema): Responses {
  const rows = Object.entries<ErrorDescription>(errorTable).filter(([code, row]) => wanted(code, row));
  const statuses = [...new Set(rows.map(([, { status }]) => status))];
  const described = statuses.map((status) => {
    const reasons = rows.filter(([, row]) => row.status === status).map(([code, { when }]) => `\`${code}\`: ${when}`);
    return [status, { ...body, description: reasons.join(" ") }];
  });
  return Object.fromEntries(described);
}

/** What a scoring route may answer with: not what only the start, the library or the log knows, nor errors of the URL. */
function meetsScoring(_code: string, { only, status }: ErrorDescription): boolean {
  return only === undefined && status !== 404 && status !== 405;
}

/** What a route that only tells of the model may answer with. */
const meetsInfo = (code: string): boolean => ["unauthorized", "engine_error", "loading", "draining"].includes(code);

export const errorResponses = responsesFor(meetsScoring, ErrorBody);
export const mixedErrorResponses = responsesFor(meetsScoring, Type.Union([ErrorBody, TeiErrorBody]));
export const teiErrorResponses = responsesFor(meetsInfo, TeiErrorBody);
export const openErrorResponses = responsesFor((code) => code === "unauthorized", ErrorBody);
