/** An HTTP server that answers by a script: one entry for each request, the last one repeated. It records the requests. */

import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";

export type Scripted =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown }
  /** The connection is cut before the answer or in the middle of it. */
  | "cut"
  | "cut in the body"
  /** No answer is sent. */
  | "silence";

export interface ScriptedServer extends AsyncDisposable {
  readonly url: string;
  readonly requests: readonly { readonly path: string; readonly headers: IncomingHttpHeaders; readonly body: string }[];
}

export async function startScriptedServer(
  script: readonly [Scripted, ...Scripted[]],
  onRequest: () => void = () => {},
): Promise<ScriptedServer> {
  const requests: { path: string; headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    const entry = script[Math.min(requests.length, script.length - 1)] ?? script[0];
    requests.push({ path: request.url ?? "", headers: request.headers, body });
    onRequest();
    if (entry === "silence") return;
    if (entry === "cut") {
      request.socket.destroy();
    } else if (entry === "cut in the body") {
      response.writeHead(200, { "content-length": "1000" });
      response.write("{", () => request.socket.destroy());
    } else {
      response.writeHead(entry.status, { "content-type": "application/json", ...entry.headers });
      response.end(typeof entry.body === "string" ? entry.body : JSON.stringify(entry.body ?? {}));
    }
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    },
  };
}
