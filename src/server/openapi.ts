/**
 * The description of the HTTP interface: made from the schemas that validate requests and serialise answers, served as
 * OpenAPI at /docs/json and as a page at /docs. Needs no model and no network.
 */

import swagger from "@fastify/swagger";
import type { FastifyInstance } from "fastify";
import { type TSchema, Type } from "typebox";
import { type ErrorDescription, errorTable } from "../errors.js";
import { loadAddon } from "../native/addon.js";
import { ErrorBody } from "../wire/schemas.js";
import { TeiErrorBody } from "../wire/tei.js";
import { mountPath } from "./mount-path.js";
import { serveBuiltPage } from "./pages/built-page.js";
import { registerPageHeaders } from "./security-headers.js";

/** To be called before the routes are registered: only later ones are described. */
export async function registerOpenApi(fastify: FastifyInstance): Promise<void> {
  const mounted = mountPath(fastify);
  await fastify.register(swagger, {
    // Paths are told from where the service is mounted. Keys stand here and not in the routes, whose schemas a host app may
    // describe too, without this document's security schemes.
    transform: ({ schema, url, route }) => ({
      schema: route.config?.open === true ? schema : { ...schema, security: [{}, { key: [] }] },
      url: url.slice(mounted.length) || "/",
    }),
    // Relative to /docs/json, because what a proxy put before it is not known here. The plugin's own option takes absolute
    // addresses only.
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
  await fastify.register(page, { prefix: "/docs" });
}

async function page(fastify: FastifyInstance): Promise<void> {
  // The styles of Swagger UI have images in them.
  await registerPageHeaders(fastify, { image: ["data:"] });
  serveBuiltPage(fastify, { name: "reference", html: "index.html" });
  fastify.get("/json", { schema: { hide: true } }, () => fastify.swagger());
  fastify.get("/yaml", { schema: { hide: true } }, (_request, reply) =>
    reply.type("application/x-yaml").send(fastify.swagger({ yaml: true })),
  );
}

type Responses = Readonly<Record<number, TSchema>>;

/** Response schemas for rows of the error table: one for each status, whose description lists the codes and when they happen. */
function responsesFor(wanted: (code: string, row: ErrorDescription) => boolean, body: TSchema): Responses {
  const rows = Object.entries<ErrorDescription>(errorTable).filter(([code, row]) => wanted(code, row));
  const statuses = [...new Set(rows.map(([, { status }]) => status))];
  const described = statuses.map((status) => {
    const reasons = rows.filter(([, row]) => row.status === status).map(([code, { when }]) => `\`${code}\`: ${when}`);
    return [status, { ...body, description: reasons.join(" ") }];
  });
  return Object.fromEntries(described);
}

/** Errors that a scoring route may answer with: not those of the start, the library or the log alone, nor those of the URL. */
function meetsScoring(_code: string, { only, status }: ErrorDescription): boolean {
  return only === undefined && status !== 404 && status !== 405;
}

/** Errors that a route about the model may answer with. */
const meetsInfo = (code: string): boolean => ["unauthorized", "engine_error", "loading", "draining"].includes(code);

export const errorResponses = responsesFor(meetsScoring, ErrorBody);
export const mixedErrorResponses = responsesFor(meetsScoring, Type.Union([ErrorBody, TeiErrorBody]));
export const teiErrorResponses = responsesFor(meetsInfo, TeiErrorBody);
export const openErrorResponses = responsesFor((code) => code === "unauthorized", ErrorBody);
