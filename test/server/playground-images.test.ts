/** Images in the playground, in a real browser: with answers that are given, and ranked by a service with a random vision tower. */

import { execFile, spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import axe from "axe-core";
import type { Browser, Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { example } from "../../src/demo/example.js";
import {
  describeInBrowser,
  dropFiles,
  type FileContent,
  launchBrowser,
  type OpenOptions,
  type OpenPage,
  openPage,
  pasteFiles,
} from "../support/browser.js";
import { startTestService, type TestService } from "../support/demo-service.js";
import { structuredImage } from "../support/images.js";
import { randomMmproj, randomModel } from "../support/random-models.js";
import { startScriptedServer } from "../support/scripted-server.js";
import { until } from "../support/until.js";

const root = join(import.meta.dirname, "..", "..");

async function image(name: string, width: number, height: number): Promise<FileContent> {
  const { rgb } = structuredImage(width, height, width * height);
  const extension = name.slice(name.lastIndexOf(".") + 1);
  const format = extension === "jpg" ? "jpeg" : extension === "webp" || extension === "gif" ? extension : "png";
  const buffer = await sharp(rgb, { raw: { width, height, channels: 3 } })
    .toFormat(format)
    .toBuffer();
  return { name, mimeType: `image/${format}`, buffer };
}

const dataUri = ({ mimeType, buffer }: FileContent) => `data:${mimeType};base64,${buffer.toString("base64")}`;

const limits = { images: true, body_bytes: 2 ** 20, image_bytes: 200_000, image_pixels: 1_000_000, image_count: 4 };

/** Answers POST /rerank: later documents are better ones. Returns the bodies that came. */
async function answerRankings(page: Page): Promise<{ query: unknown; documents: readonly unknown[] }[]> {
  const bodies: { query: unknown; documents: readonly unknown[] }[] = [];
  await page.route("**/rerank", (route) => {
    const body: (typeof bodies)[number] = route.request().postDataJSON();
    bodies.push(body);
    const results = body.documents.map((_, index) => ({ index, relevance_score: (index + 1) / 10 })).reverse();
    return route.fulfill({ json: { results, model: "double", usage: { prompt_tokens: 9, total_tokens: 9 } } });
  });
  return bodies;
}

describeInBrowser("images in the playground", () => {
  let browser: Browser;
  let service: TestService;
  let page1: FileContent;
  let page2: FileContent;
  let chart: FileContent;
  beforeAll(async () => {
    browser = await launchBrowser();
    service = await startTestService();
    page1 = await image("page one.png", 120, 170);
    page2 = await image("page2.jpg", 140, 200);
    chart = await image("chart.webp", 300, 100);
  });
  afterAll(async () => {
    await browser?.close();
    await service?.service.stop();
  });

  let opened: OpenPage;
  let page: Page;
  const open = async (options?: OpenOptions, told: object = limits) => {
    await opened?.[Symbol.asyncDispose]();
    const prepare = (page: Page) => page.route("**/playground.json", (route) => route.fulfill({ json: told }));
    opened = await openPage(browser, service.url, { prepare, ...options });
    page = opened.page;
  };
  const openWithImages = async (options?: OpenOptions, told?: object) => {
    await open(options, told);
    await page.getByText("Images are documents too.").waitFor();
  };
  beforeEach(async () => {
    await openWithImages();
    return async () => {
      expect(opened.offences).toEqual([]);
      await opened[Symbol.asyncDispose]();
    };
  });

  const listed = () => page.getByRole("list", { name: "Images among the documents" }).getByRole("listitem");
  const names = () => listed().locator(".text").allTextContents();
  const results = () => page.getByRole("list", { name: "Ranked documents" }).getByRole("listitem");
  const rerank = () => page.getByRole("button", { name: "Rerank" }).click();
  const queryGroup = () => page.getByRole("group", { name: "Query" });

  describe("as documents", () => {
    test("several are dropped at once, listed after the text in their order, with their size, and sent when ranked", async () => {
      const bodies = await answerRankings(page);
      await dropFiles(page, "body", [page2, page1, chart]);
      await page.getByText("3 images added to the documents.").waitFor();
      expect(await listed().allInnerTexts()).toEqual([
        expect.stringMatching(/^4\s+page2\.jpg\s+140 × 200\s/),
        expect.stringMatching(/^5\s+page one\.png\s+120 × 170\s/),
        expect.stringMatching(/^6\s+chart\.webp\s+300 × 100\s/),
      ]);
      await page.getByText("one per line · 6 documents, 3 images").waitFor();
      expect(bodies).toEqual([]);

      await rerank();
      await results().nth(5).waitFor();
      const images = [page2, page1, chart].map((file) => ({ image: dataUri(file) }));
      expect(bodies).toMatchObject([{ query: example.query, documents: [...example.documents, ...images] }]);
      expect(await page.evaluate(`[...document.querySelectorAll(".ranked img")].map(({ alt }) => alt)`)).toEqual([
        "chart.webp",
        "page one.png",
        "page2.jpg",
      ]);
      expect(await results().locator(".score").allTextContents()).toEqual([
        "0.6000",
        "0.5000",
        "0.4000",
        "0.3000",
        "0.2000",
        "0.1000",
      ]);
      expect(await results().locator(".text").allTextContents()).toEqual([
        ...["chart.webp", "page one.png", "page2.jpg"],
        ...example.documents.toReversed(),
      ]);
      expect(await page.getByRole("status").filter({ hasText: "Ranked in" }).textContent()).toContain("First: chart.webp");
    });

    test("their thumbnails show the files", async () => {
      await dropFiles(page, "body", [page1, chart]);
      await until(() =>
        page.evaluate<boolean>(
          `[...document.querySelectorAll(".thumbnail img")].filter((img) => img.naturalWidth > 0).length === 2`,
        ),
      );
      const sizes = await page.evaluate(
        `[...document.querySelectorAll(".thumbnail img")].map(({ naturalWidth, naturalHeight }) => [naturalWidth, naturalHeight])`,
      );
      expect(sizes).toEqual([
        [120, 170],
        [300, 100],
      ]);
    });

    test("one is pasted from the clipboard", async () => {
      await page.evaluate(`(async () => {
        const bytes = Uint8Array.from(atob("${page1.buffer.toString("base64")}"), (char) => char.charCodeAt(0));
        await navigator.clipboard.write([new ClipboardItem({ "image/png": new Blob([bytes], { type: "image/png" }) })]);
      })()`);
      await page.getByLabel("Documents", { exact: true }).press("Control+v");
      await listed().first().waitFor();
      expect(await listed().allInnerTexts()).toEqual([expect.stringMatching(/^4\s+image\.png\s+120 × 170\s/)]);
      expect(await page.getByLabel("Documents", { exact: true }).inputValue()).toBe(example.documents.join("\n"));
    });

    test("a text that is copied with a picture of itself is pasted as text", async () => {
      await page.getByLabel("Documents", { exact: true }).focus();
      expect(await pasteFiles(page, [page1], { "text/plain": "a cell", "text/html": "<td>a cell</td>" })).toBe(false);
      expect(await pasteFiles(page, [page1], { "text/html": "<img>" })).toBe(true);
      await listed().first().waitFor();
      expect(await names()).toEqual(["page one.png"]);
    });

    test("they are chosen with a button, beside a text file", async () => {
      const text = { name: "lines.txt", mimeType: "text/plain", buffer: Buffer.from("first\nsecond\n") };
      const choosing = page.waitForEvent("filechooser");
      await page.getByRole("button", { name: "Choose files" }).click();
      const chooser = await choosing;
      expect(chooser.isMultiple()).toBe(true);
      await chooser.setFiles([page1, text, page2]);
      await page.getByText("2 documents from lines.txt.").waitFor();
      expect(await page.getByLabel("Documents", { exact: true }).inputValue()).toBe("first\nsecond");
      expect(await listed().allInnerTexts()).toEqual([
        expect.stringMatching(/^3\s+page one/),
        expect.stringMatching(/^4\s+page2/),
      ]);
    });

    test("a keyboard removes them, and stays where it was", async () => {
      await dropFiles(page, "body", [page1, page2, chart]);
      await page.getByRole("button", { name: "Remove document 5, page2.jpg" }).press("Enter");
      await page.getByText("page2.jpg removed.").waitFor();
      expect(await names()).toEqual(["page one.png", "chart.webp"]);
      await page.locator("[aria-label='Remove document 5, chart.webp']:focus").waitFor();
      await page.keyboard.press("Enter");
      await page.locator("[aria-label='Remove document 4, page one.png']:focus").waitFor();
      await page.keyboard.press("Space");
      await page.locator("button:focus", { hasText: "Choose files" }).waitFor();
      expect(await listed().count()).toBe(0);
      await page.getByText("one per line · 3 documents").waitFor();
    });

    test("without a line of text they are all that is sent", async () => {
      const bodies = await answerRankings(page);
      await page.getByLabel("Documents", { exact: true }).fill("");
      await dropFiles(page, "body", [page1]);
      await listed().first().waitFor();
      await rerank();
      await results().first().waitFor();
      expect(bodies).toMatchObject([{ documents: [{ image: dataUri(page1) }] }]);
      await dropFiles(page, "body", [page1]);
      await page.getByText("The request has changed").waitFor();
    });

    test("a drop says for each file that is left out why, and takes the others", async () => {
      const blank = sharp({ create: { width: 1250, height: 1000, channels: 3, background: "white" } });
      const wide = { name: "wide.png", mimeType: "image/png", buffer: await blank.png().toBuffer() };
      const broken = { name: "broken.png", mimeType: "image/png", buffer: Buffer.from("\x89PNG but not really") };
      const pdf = { name: "report.pdf", mimeType: "application/pdf", buffer: Buffer.from("%PDF-1.7") };
      const tiff = { name: "scan.tiff", mimeType: "image/tiff", buffer: Buffer.from("II*\0") };
      const heavy = { ...page1, name: "heavy.png", buffer: Buffer.concat([page1.buffer, Buffer.alloc(300_000)]) };
      await dropFiles(page, "body", [page1, broken, pdf, tiff, heavy, wide, chart]);
      await page.getByText("2 images added to the documents.").waitFor();
      expect(await page.locator(".fault").allTextContents()).toEqual([
        "broken.png cannot be read as an image.",
        "report.pdf is a PDF; pages are read as PNG, JPEG, WebP or GIF.",
        "scan.tiff is neither PNG, JPEG, WebP nor GIF.",
        "heavy.png has 0.3 MB; this server takes images of up to 0.2 MB.",
        "wide.png has 1250 × 1000 pixels; this server takes images of up to 1 million.",
      ]);
      expect(await names()).toEqual(["page one.png", "chart.webp"]);
    });

    test("what is too much for one request is said before anything is sent", async () => {
      const bodies = await answerRankings(page);
      await dropFiles(page, "body", [page1, page2, chart, page1, page2]);
      await listed().nth(4).waitFor();
      await rerank();
      const alert = page.getByRole("alert");
      await alert.getByText("5 images; this server takes 4 in a request").waitFor();
      await alert.getByText("too_many_images").waitFor();
      await page.getByRole("button", { name: "Remove document 8, page2.jpg" }).click();

      await openWithImages({}, { ...limits, body_bytes: 100_000 });
      const later = await answerRankings(page);
      const padded = { ...page1, buffer: Buffer.concat([page1.buffer, Buffer.alloc(90_000)]) };
      await dropFiles(page, "body", [padded]);
      await listed().first().waitFor();
      await rerank();
      await page.getByRole("alert").getByText("with its images the request has 0.2 MB; this server takes 0.1 MB").waitFor();
      await page.getByRole("button", { name: /^Remove document 4/ }).click();
      await rerank();
      await results().nth(2).waitFor();
      expect(await page.getByRole("alert").count()).toBe(0);
      expect([bodies.length, later.length]).toEqual([0, 1]);
    });
  });

  describe("as the query", () => {
    test("one is dropped on the query, ranked with, and given up for the text that was there", async () => {
      const bodies = await answerRankings(page);
      await page.getByLabel("Query", { exact: true }).fill("my words");
      await dropFiles(page, "#query", [chart]);
      await queryGroup().waitFor();
      expect(await queryGroup().innerText()).toMatch(/^chart\.webp\s+300 × 100\s+Use text$/);
      await page.locator("button:focus", { hasText: "Use text" }).waitFor();
      await dropFiles(page, "#documents", [page1, page2, chart]);
      await listed().nth(2).waitFor();
      await rerank();
      await results().nth(5).waitFor();
      expect(bodies).toMatchObject([{ query: { image: dataUri(chart) } }]);
      expect(bodies[0]?.documents).toHaveLength(6);

      await page.getByRole("button", { name: "Use text" }).click();
      await page.locator("#query:focus").waitFor();
      expect(await page.getByLabel("Query", { exact: true }).inputValue()).toBe("my words");
      await page.getByText("The request has changed").waitFor();
    });

    test("one is pasted into it, and another chosen", async () => {
      await page.getByLabel("Query", { exact: true }).focus();
      expect(await pasteFiles(page, [page1])).toBe(true);
      await queryGroup().getByText("page one.png").waitFor();
      const choosing = page.waitForEvent("filechooser");
      await page.getByRole("button", { name: "Use another image" }).click();
      await (await choosing).setFiles([page2]);
      await queryGroup().getByText("page2.jpg").waitFor();
      expect(await listed().count()).toBe(0);
    });

    test("of several the first is the query, the others are documents; a text file never is", async () => {
      await dropFiles(page, "#query", [page1, page2]);
      await page.getByText("page one.png is the query.").waitFor();
      expect(await names()).toEqual(["page2.jpg"]);
      const request = { query: "rivers", documents: ["the sea"] };
      const buffer = Buffer.from(JSON.stringify(request));
      await dropFiles(page, ".query-place", [{ name: "search.jsonl", mimeType: "", buffer }]);
      await page.getByText("1 document from search.jsonl.").waitFor();
      expect(await page.getByLabel("Query", { exact: true }).inputValue()).toBe("rivers");
    });
  });

  describe("enlarged", () => {
    const dialog = () => page.getByRole("dialog", { name: "page one.png" });
    const thumbnail = () => listed().getByRole("button", { name: "page one.png", exact: true });

    test("Enter shows one large, Escape and the button close it, and the focus returns", async () => {
      await dropFiles(page, "body", [page1]);
      await thumbnail().press("Enter");
      await dialog().getByText("120 × 170").waitFor();
      const width = () => page.evaluate<number>(`document.querySelector("dialog img").naturalWidth`);
      await until(async () => (await width()) > 0);
      expect(await width()).toBe(120);
      await page.keyboard.press("Escape");
      await dialog().waitFor({ state: "detached" });
      await page.locator(".thumbnail:focus").waitFor();
      await page.keyboard.press("Enter");
      await dialog().getByRole("button", { name: "Close" }).press("Enter");
      await dialog().waitFor({ state: "detached" });
      await page.locator(".thumbnail:focus").waitFor();
    });

    test("a click shows one of the ranking, a click beside it closes it", async () => {
      await answerRankings(page);
      await dropFiles(page, "body", [page1]);
      await listed().first().waitFor();
      await rerank();
      await results().getByRole("button", { name: "page one.png", exact: true }).click();
      await dialog().waitFor();
      await page.mouse.click(5, 5);
      await dialog().waitFor({ state: "detached" });
      expect(await results().count()).toBe(4);
    });
  });

  describe("on a server without a vision tower", () => {
    const hint = () => page.getByText("Images are off.");
    beforeEach(async () => {
      await open({}, { ...limits, images: false });
      await hint().waitFor();
    });

    test("the page says how to turn them on, and offers none", async () => {
      expect(await hint().innerText()).toMatch(/jina-reranker download --vision, then start .*IMAGES=true/);
      expect(await page.getByRole("button", { name: /image/ }).count()).toBe(0);
      expect(await page.locator("input[type=file]").getAttribute("accept")).not.toContain("image/");
    });

    test("a dropped and a pasted one are left out, with a line that says so", async () => {
      await dropFiles(page, "#query", [page1]);
      await page.getByText("page one.png was left out: this server ranks text only.").waitFor();
      await page.getByLabel("Documents", { exact: true }).focus();
      expect(await pasteFiles(page, [chart])).toBe(true);
      await page.getByText("chart.webp was left out").waitFor();
      expect(await listed().count()).toBe(0);
      expect(await page.getByLabel("Query", { exact: true }).inputValue()).toBe(example.query);
    });
  });

  describe("on a server with one", () => {
    let seeing: TestService;
    beforeAll(async () => {
      const model = await randomModel({
        ...{ layers: 2, embeddingLength: 256, headLength: 64, kvHeads: 2, feedForwardLength: 512, vocabularySize: 4000 },
        ...{ type: "f32", seed: 41 },
      });
      const mmprojPath = await randomMmproj({
        ...{ layers: 2, embeddingLength: 64, headLength: 16, feedForwardLength: 256, projectionLength: 256 },
        ...{ type: "f32", seed: 5 },
      });
      seeing = await startTestService({ load: { ...model, mmprojPath, imageMaxMb: 1, maxImages: 6 } });
    });
    afterAll(() => seeing?.service.stop());

    test("three images and a line of text are ranked for an image as the library ranks them", async () => {
      await opened[Symbol.asyncDispose]();
      opened = await openPage(browser, seeing.url);
      page = opened.page;
      await page.getByText("Drop, paste or choose PNG, JPEG, WebP or GIF, up to 1 MB each.").waitFor();
      await page.getByLabel("Documents", { exact: true }).fill("a line of text");
      await dropFiles(page, "#documents", [page1, page2, chart]);
      await listed().nth(2).waitFor();
      const query = await image("query.gif", 90, 60);
      await dropFiles(page, "#query", [query]);
      await queryGroup().waitFor();
      await rerank();
      await results().nth(3).waitFor();

      const sent = (file: FileContent) => ({ image: { data: dataUri(file) } });
      const library = await seeing.reranker.rerank({
        query: sent(query),
        documents: ["a line of text", ...[page1, page2, chart].map(sent)],
      });
      const names = ["a line of text", page1.name, page2.name, chart.name];
      expect(await results().locator(".text").allTextContents()).toEqual(library.results.map(({ index }) => names[index]));
      expect(await page.locator(".score").allTextContents()).toEqual(library.results.map(({ score }) => score.toFixed(4)));
    });

    test("it says its limits", async () => {
      const answer = await fetch(`${seeing.url}/playground.json`);
      const limits = { images: true, image_count: 6, image_bytes: 2 ** 20, image_pixels: 50_000_000 };
      expect(await answer.json()).toEqual({ body_bytes: 32 * 2 ** 20, ...limits });
    });
  });

  test("a server says of itself what it takes, without a key", async () => {
    const answer = await fetch(`${service.url}/playground.json`);
    expect(await answer.json()).toEqual({ body_bytes: 32 * 2 ** 20, images: false, image_count: 0 });
    expect(answer.headers.get("cache-control")).toBe("no-store");
  });

  test.each([
    { width: 360, images: true },
    { width: 360, images: false },
    { width: 1280, images: true },
    { width: 1280, images: false },
  ])("nothing moves when the server answers, $width pixels wide, images: $images", async ({ width, images }) => {
    let answer = () => {};
    const asked = new Promise<void>((resolve) => {
      answer = resolve;
    });
    await open({
      viewport: { width, height: 740 },
      prepare: (page) =>
        page.route("**/playground.json", async (route) => {
          await asked;
          await route.fulfill({ json: { ...limits, images } });
        }),
    });
    await page.getByText("test-model").waitFor();
    const place = () => page.getByRole("button", { name: "Rerank" }).boundingBox();
    const before = await place();
    answer();
    await page.getByText(images ? "Images are documents too." : "Images are off.").waitFor();
    expect(await place()).toEqual(before);
  });

  const themes = ["light", "dark"] as const;
  const widths = { phone: 360, desktop: 1280 };
  const screens = themes.flatMap((theme) => Object.entries(widths).map(([screen, width]) => ({ theme, screen, width })));

  test.each(screens)("in the $theme theme on a $screen nothing is inaccessible or wider than the screen", async (shown) => {
    const { theme, width } = shown;
    await openWithImages({ colorScheme: theme, viewport: { width, height: 740 } });
    await page.evaluate(axe.source);
    const inOrder = async (what: string) => {
      const { violations } = await page.evaluate<axe.AxeResults>("axe.run()");
      expect(violations.map(({ id, nodes }) => `${what}: ${id} ${nodes.map(({ html }) => html).join(" ")}`)).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth"), what).toBe(width);
    };
    const long = { ...page1, name: `${"averylongnamewithoutabreak".repeat(8)}.png` };
    const broken = { ...long, buffer: Buffer.from("nothing") };
    await answerRankings(page);
    await dropFiles(page, "#documents", [page1, long, broken]);
    await dropFiles(page, "#query", [long]);
    await queryGroup().waitFor();
    await inOrder("listed");
    await rerank();
    await results().nth(4).waitFor();
    await inOrder("ranked");
    await results().getByRole("button", { name: long.name }).click();
    await page.getByRole("dialog").waitFor();
    await inOrder("enlarged");
  });

  describe("their code", () => {
    const awkward = {
      query: `It's "quoted" $HOME \`id\` \\ 'twice'`,
      documents: ["$(exit 1) it's {plain} \\n", "naïve 你好 😀"],
      name: `it's $(exit 1) "a" page.png`,
    };
    const copied = async (language: string): Promise<string> => {
      await page.getByLabel("Documents", { exact: true }).fill(awkward.documents.join("\n"));
      await page.getByLabel("Query", { exact: true }).fill(awkward.query);
      await dropFiles(page, "#documents", [{ ...page1, name: awkward.name }, chart]);
      await listed().nth(1).waitFor();
      await page.getByText(language, { exact: true }).click();
      await page.getByRole("button", { name: `Copy the ${language} code` }).click();
      await page.getByRole("status").getByText("Copied").waitFor();
      return page.evaluate<string>("navigator.clipboard.readText()");
    };
    const results = [
      { index: 2, relevance_score: 0.75 },
      { index: 0, relevance_score: 0.25 },
    ];
    const answer = { status: 200, body: { results, model: "double", usage: { prompt_tokens: 9, total_tokens: 9 } } };

    /** Runs the code beside the files it names, against a server that records; returns what was sent and printed. */
    async function sentBy(language: string, command: string, args: (code: string) => string[]) {
      await using server = await startScriptedServer([answer]);
      const code = (await copied(language)).replaceAll(service.url, server.url);
      const folder = await mkdtemp(join(tmpdir(), "playground-images-"));
      try {
        await writeFile(join(folder, awkward.name), page1.buffer);
        await writeFile(join(folder, "chart.webp"), chart.buffer);
        const env = { ...process.env, PYTHONIOENCODING: "utf-8" };
        const { stdout } = await promisify(execFile)(command, args(code), { cwd: folder, env });
        expect(server.requests.map(({ path }) => path)).toEqual(["/rerank"]);
        const body: unknown = JSON.parse(server.requests[0]?.body ?? "");
        const images = [page1, chart].map(({ buffer }) => ({ image: buffer.toString("base64") }));
        expect(body).toEqual({ query: awkward.query, documents: [...awkward.documents, ...images], return_documents: false });
        return stdout.trim();
      } finally {
        await rm(folder, { recursive: true });
      }
    }

    test("for curl reads the files and sends the same", async () => {
      expect(JSON.parse(await sentBy("curl", "sh", (code) => ["-c", code]))).toMatchObject({ results });
    });

    const python = ["python3", "/usr/bin/python3"].find((name) => spawnSync(name, ["-c", "import requests"]).status === 0);
    test.skipIf(!python && !process.env.CI)(
      "for Python reads the files and sends the same (needs python3-requests)",
      async () => {
        expect(await sentBy("Python", python ?? "python3", (code) => ["-c", code])).toBe("0.7500  2\n0.2500  0");
      },
    );

    test("for TypeScript reads the files and sends the same", async () => {
      const client = `import { RerankClient } from ${JSON.stringify(join(root, "dist", "client", "index.js"))};`;
      const printed = await sentBy("TypeScript", process.execPath, (code) => [
        ...["--input-type=module", "-e"],
        code.replace('import { RerankClient } from "jina-reranker/client";', client),
      ]);
      expect(printed).toBe("0.7500 2\n0.2500 0");
    });

    test("names an image as the query too", async () => {
      await dropFiles(page, "#query", [chart]);
      await queryGroup().waitFor();
      const code = (language: string) => page.getByLabel(`${language} code`, { exact: true }).innerText();
      expect(await code("curl")).toContain(`"query": { "image": "$(base64 < 'chart.webp' | tr -d '\\n')" },`);
      await page.getByText("Python", { exact: true }).click();
      expect(await code("Python")).toContain('"query": image("chart.webp"),');
      await page.getByText("TypeScript", { exact: true }).click();
      expect(await code("TypeScript")).toContain('query: { image: await readFile("chart.webp") },');
    });
  });
});
