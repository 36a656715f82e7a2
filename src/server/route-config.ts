/** What a route tells the hooks about itself. */

declare module "fastify" {
  interface FastifyContextConfig {
    /** Needs no key: its answers hold no data. */
    open?: boolean;
    /** Logged at debug level unless it fails, and not traced. */
    quiet?: boolean;
    /** Whether the client that sent this body expects errors as Text Embeddings Inference writes them. */
    speaksTei?: (body: unknown) => boolean;
  }
}

export {};
