/** The examples that no test runs unchanged, and what is tested instead. */

/** Shell examples, by their first line. */
export const shellNotRun: Readonly<Record<string, string>> = {
  "npm run demo      # sets up what is missing, serves a demo model on port 8081, shows an example":
    "these are the checks that run this one; test/cli/cli.test.ts runs the demo",
  "npm install jina-reranker": "test/packaging/packages.test.ts installs the packed packages and serves the demo",
  "npm install @jina-reranker/linux-x64-cuda":
    "it is not published; test/native/loader.test.ts finds such a package, and names this command where it is missing",
  "npx jina-reranker serve                   # fetches 990 MB the first time, then serves on port 8081; from a clone: npm start":
    "it fetches 990 MB; test/model/hub-command.test.ts does so from a hub of its own",
  "npx jina-reranker serve                   # fetches 990 MB the first time, then serves jina-reranker-m0 on port 8081":
    "it fetches 990 MB; test/model/hub-command.test.ts does so from a hub of its own",
  "DOCUMENT_CACHE_DIR=/var/lib/reranker DOCUMENT_CACHE_DISK_MB=100000 npx jina-reranker serve":
    "it fetches 990 MB; test/engine/document-store.test.ts loads with such a folder",
  "npx jina-reranker warm --document-cache-dir /var/lib/reranker --jsonl corpus.jsonl":
    "it fetches 990 MB; test/cli/warm.test.ts runs the command with the demo model",
  "npx jina-reranker download --vision     # prints the path of the file":
    "it reads 1.33 GB; test/vision/fetch-vision.test.ts does so from a hub of its own",
  "npx jina-reranker download --vision       # reads 1.33 GB once and writes 0.71 GB":
    "it reads 1.33 GB; test/vision/fetch-vision.test.ts does so from a hub of its own",
  "npm install jina-reranker sharp@0.35        # sharp reads JPEG, PNG, WebP and GIF":
    "test/packaging/packages.test.ts installs the packed packages; the model it goes on with is 990 MB",
  "npm install @opentelemetry/api@1 @opentelemetry/exporter-trace-otlp-http@0.223 @opentelemetry/exporter-trace-otlp-proto@0.223 @opentelemetry/resources@2 @opentelemetry/sdk-trace-base@2":
    "test/packaging/packages.test.ts sees the service ask for it",
  "npx jina-reranker build": "it compiles for minutes; test/packaging/packages.test.ts unpacks the sources it compiles",
  "docker build -f deploy/Dockerfile -t jina-reranker .":
    "it needs a container engine; test/deploy/deploy.test.ts holds the files against the code",
  "helm install jina-reranker deploy/helm/jina-reranker --set image.repository=registry.example/jina-reranker":
    "it needs a cluster; test/deploy/helm.test.ts renders the chart",
};

/** What a test does with the blocks of each language. */
export const languages: Readonly<Record<string, string>> = {
  "": "a figure, a formula, or what a terminal shows",
  ts: "compiled, and run",
  sh: "run, unless listed above",
  python: "a file of test/python, run by test/end-to-end/python.test.ts",
  json: "an answer: parsed unless it is shortened with …, the one in docs/http.md compared by test/end-to-end/python.test.ts",
};
