/** The playground as a page: what it is served with, keys, a service that is not ready, phones, both themes, accessibility. */

import { get } from "node:http";
import { text } from "node:stream/consumers";
import axe from "axe-core";
import type { FastifyInstance } from "fastify";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ServerContext } from "../../src/server/context.js";
import { createServer } from "../../src/server/create-server.js";
import { ErrorBody } from "../../src/wire/schemas.js";
import { describeInBrowser, launchBrowser, openPage } from "../support/browser.js";
import { startTestService, type TestService } from "../support/demo-service.js";
import { json } from "../support/json.js";
import { event } from "../support/until.js";

let service: TestService;
beforeAll(async () => {
  service = await startTestService({ server: { modelName: "lexical-demo" } });
});
afterAll(() => service.service.stop());

/** Listens with a server of its own, which shares the model. */
async function listening(server: FastifyInstance) {
  const url = await server.listen({ host: "127.0.0.1", port: 0 });
  return { url, [Symbol.asyncDispose]: () => server.close() };
}

function newContext(modelName: string, apiKeys: readonly string[] = []) {
  return new ServerContext({ modelName, apiKeys, requestTimeoutMs: 60_000, bodyLimitBytes: 2 ** 20 });
}

describe("over HTTP", () => {
  const asset = async (extension: string) => {
    const page = await (await fetch(`${service.url}/`)).text();
    const [path] = page.match(new RegExp(`assets/[\\w-]+\\.${extension}`)) ?? [];
    return `${service.url}/${path}`;
  };

  test("the page has a policy that names its own origin alone", async () => {
    const { status, headers } = await fetch(`${service.url}/`);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toMatch(/^text\/html/);
    const policy = headers.get("content-security-policy")?.split("; ");
    expect(policy).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self' blob:",
      "connect-src 'self'",
      "base-uri 'none'",
      "form-action 'none'",
      "frame-ancestors 'none'",
    ]);
  });

  test("browsers ask for the page each time, and for its files once", async () => {
    const page = await fetch(`${service.url}/`);
    expect(page.headers.get("cache-control")).toBe("public, max-age=0");
    // As a browser asks; fetch of Node would add no-cache.
    const headers = { "if-none-match": page.headers.get("etag") ?? "", "cache-control": "max-age=0" };
    const unchanged = await fetch(`${service.url}/`, { headers });
    expect(unchanged.status).toBe(304);
    const script = await fetch(await asset("js"));
    expect(script.headers.get("content-type")).toMatch(/javascript/);
    expect(script.headers.get("x-content-type-options")).toBe("nosniff");
    expect(script.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
  });

  test("scripts and styles travel compressed and are small", async () => {
    const sizes = await Promise.all(
      ["js", "css"].map(async (extension) => {
        const response = await fetch(await asset(extension), { headers: { "accept-encoding": "gzip" } });
        expect(response.headers.get("content-encoding")).toBe("gzip");
        return Number(response.headers.get("content-length"));
      }),
    );
    const together = sizes.reduce((sum, size) => sum + size, 0);
    expect(together).toBeGreaterThan(1000);
    expect(together).toBeLessThan(20_000);
  });

  test.each([
    ["gzip;q=0, br", null],
    ["identity", null],
    ["br, GZIP ; q=0.5", "gzip"],
  ])("who accepts %s gets the same script, compressed as %s", async (accepted, coding) => {
    const script = await fetch(await asset("js"), { headers: { "accept-encoding": accepted } });
    expect(script.headers.get("content-encoding")).toBe(coding);
    expect(script.headers.get("vary")).toContain("accept-encoding");
    expect(await script.text()).toContain("licenses.txt");
  });

  test.each([
    ["/assets/nothing.js", 404],
    ["/assets/", 404],
    ["/assets/../index.html", 404],
    ["/assets/..%2findex.html", 404],
  ])("%s is refused with %i, in the service's words", async (path, status) => {
    // Not fetch, which takes the dots out of a path.
    const [response] = await event(get({ port: service.service.port, path }), "response", path);
    await json(ErrorBody, new Response(await text(response)));
    expect(response.statusCode).toBe(status);
  });

  test("PUT / is refused with what is allowed", async () => {
    const response = await fetch(`${service.url}/`, { method: "PUT" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD, POST"]);
  });
});

describeInBrowser("the page", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchBrowser();
  });
  afterAll(() => browser?.close());

  const rerank = (page: Page) => page.getByRole("button", { name: "Rerank" }).click();
  const results = (page: Page) => page.getByRole("list", { name: "Ranked documents" }).getByRole("listitem");

  test("says of the demo model that it counts words and is not trained, and of no other", async () => {
    await using demo = await openPage(browser, service.url);
    const notice = demo.page.getByText("This is the demo model.");
    await notice.waitFor();
    expect(await demo.page.locator(".notice").textContent()).toMatch(/counts which words .* not trained/);

    const context = newContext("jina-reranker-m0-Q4_K_M");
    context.lifecycle.ready(service.reranker);
    await using server = await listening(createServer(context));
    await using real = await openPage(browser, server.url);
    await real.page.getByText("jina-reranker-m0-Q4_K_M").waitFor();
    expect(await real.page.getByText("This is the demo model.").count()).toBe(0);
  });

  test("comes up while the model loads, says so, and notices when it is ready", async () => {
    const context = newContext("coming");
    context.lifecycle.loading(0.25, "loading");
    await using server = await listening(createServer(context));
    await using opened = await openPage(browser, server.url);
    const { page } = opened;
    await page.getByText("the model is being loaded, 25 %").waitFor();
    await rerank(page);
    await page.getByRole("alert").getByText("try again in 2 s").waitFor();
    context.lifecycle.ready(service.reranker);
    await page.getByText("coming on CPU").waitFor();
    await rerank(page);
    await results(page).nth(2).waitFor();
    expect(await results(page).count()).toBe(3);
  });

  describe("on a server that wants a key", () => {
    async function guardedServer() {
      const context = newContext("lexical-demo", ["right"]);
      context.lifecycle.ready(service.reranker);
      return listening(createServer(context));
    }

    test("asks for it, says when it is wrong, ranks when it is right, and keeps it for this tab only", async () => {
      await using server = await guardedServer();
      await using opened = await openPage(browser, server.url);
      const { page } = opened;
      const key = page.getByLabel("API key", { exact: true });
      expect(await key.count()).toBe(0);
      await rerank(page);
      await page.getByRole("alert").getByText("Authorization: expected Bearer and a key").waitFor();
      await page.getByText("This server wants a key.").waitFor();
      await page.locator("#api-key[type=password]:focus").waitFor();
      await page.keyboard.type("wrong");
      await page.keyboard.press("Enter");
      await page.getByText("The server did not accept this key.").waitFor();
      await key.fill("right");
      await page.getByRole("button", { name: "Use key" }).click();
      await results(page).nth(2).waitFor();
      expect(await page.getByRole("alert").count()).toBe(0);
      expect(await key.count()).toBe(0);
      expect(await page.evaluate("Object.keys(localStorage).length + document.cookie.length")).toBe(0);

      await page.reload();
      await rerank(page);
      await results(page).nth(2).waitFor();

      await page.getByRole("button", { name: "Forget it" }).click();
      expect(await page.evaluate("sessionStorage.length")).toBe(0);
      await rerank(page);
      await page.getByText("This server wants a key.").waitFor();
      expect(opened.offences).toEqual([]);
    });

    test("its code reads the key from the environment and never shows it", async () => {
      await using server = await guardedServer();
      await using opened = await openPage(browser, server.url);
      const { page } = opened;
      await rerank(page);
      await page.getByLabel("API key", { exact: true }).fill("right");
      await page.keyboard.press("Enter");
      await results(page).nth(2).waitFor();
      for (const language of ["curl", "Python", "TypeScript"]) {
        await page.getByText(language, { exact: true }).click();
        const code = await page.getByLabel(`${language} code`, { exact: true }).innerText();
        expect(code).toContain("RERANK_API_KEY");
        expect(code).not.toContain("right");
      }
    });
  });

  test("its policy keeps what is not its own from running or leaving", async () => {
    await using opened = await openPage(browser, service.url);
    const { page } = opened;
    expect(opened.offences).toEqual([]);
    const ran = await page.evaluate(`(() => {
      const script = document.createElement("script");
      script.textContent = "globalThis.intruder = true";
      document.head.append(script);
      return globalThis.intruder === true;
    })()`);
    expect(ran).toBe(false);
    const left = await page.evaluate(`fetch("http://localhost:1/").then(() => "left", (error) => error.name)`);
    expect(left).toBe("TypeError");
    // This shows that the other tests would notice offences.
    expect(opened.offences.filter((offence) => offence.includes("script-src"))).toHaveLength(1);
    expect(opened.offences.filter((offence) => offence.includes("connect-src"))).not.toHaveLength(0);
  });

  const themes = ["light", "dark"] as const;
  const widths = { phone: 360, desktop: 1280 };
  const long = `https://example.org/${"averylongpathwithoutabreak".repeat(20)}`;
  const screens = themes.flatMap((theme) => Object.entries(widths).map(([screen, width]) => ({ theme, screen, width })));

  test.each(screens)("in the $theme theme on a $screen nothing is inaccessible or wider than the screen", async (shown) => {
    const { theme, width } = shown;
    await using opened = await openPage(browser, service.url, { colorScheme: theme, viewport: { width, height: 740 } });
    const { page } = opened;
    const dark = await page.evaluate<number>(`parseInt(getComputedStyle(document.body).backgroundColor.match(/\\d+/)[0], 10)`);
    expect(dark < 128).toBe(theme === "dark");
    await page.evaluate(axe.source);
    const inOrder = async (what: string) => {
      const { violations } = await page.evaluate<axe.AxeResults>("axe.run()");
      expect(violations.map(({ id, nodes }) => `${what}: ${id} ${nodes.map(({ html }) => html).join(" ")}`)).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth"), what).toBe(width);
    };

    await page.getByText("This is the demo model.").waitFor();
    await inOrder("before");
    await page.getByLabel("Documents", { exact: true }).fill(["short", long, "machine learning ".repeat(60)].join("\n"));
    await rerank(page);
    await results(page).nth(2).waitFor();
    await inOrder("ranked");
    await page.getByLabel("Query", { exact: true }).fill("");
    await rerank(page);
    await page.getByRole("alert").waitFor();
    await page.getByText("TypeScript", { exact: true }).click();
    await inOrder("refused");
    const message = `an API key is required ${long}`;
    await page.route("**/rerank", (route) => route.fulfill({ status: 401, json: { error: { code: "unauthorized", message } } }));
    await rerank(page);
    await page.getByText("This server wants a key.").waitFor();
    await inOrder("key wanted");
    expect(opened.offences).toEqual([]);
  });

  test("everything is within reach of the Tab key, in reading order, with a visible focus", async () => {
    await using opened = await openPage(browser, service.url);
    const { page } = opened;
    await page.getByText("This is the demo model.").waitFor();
    const reached: unknown[] = [];
    for (let step = 0; step < 9; step++) {
      await page.keyboard.press("Tab");
      reached.push(
        await page.evaluate(`(() => {
          const focused = document.activeElement;
          const shown = focused.type === "radio" ? focused.nextElementSibling : focused;
          const name = focused.ariaLabel ?? focused.labels?.[0]?.textContent ?? focused.textContent;
          return getComputedStyle(shown).outlineStyle === "solid" ? name : name + " without focus";
        })()`),
      );
    }
    expect(reached).toEqual([
      "API reference",
      "Query",
      "Documents",
      "Choose files",
      "Rerank",
      "Top",
      "curl",
      "Copy the curl code",
      "curl code",
    ]);
  });
});
