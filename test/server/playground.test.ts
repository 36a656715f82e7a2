/** The playground in a real browser, against the real service. */

import { execFile, spawnSync } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { example } from "../../src/demo/example.js";
import { describeInBrowser, dropFile, launchBrowser, type OpenOptions, type OpenPage, openPage } from "../support/browser.js";
import { startTestService, type TestService } from "../support/demo-service.js";

const root = join(import.meta.dirname, "..", "..");

describeInBrowser("the playground", () => {
  let browser: Browser;
  let service: TestService;
  beforeAll(async () => {
    browser = await launchBrowser();
    service = await startTestService({ load: { maxDocuments: 12 } });
  });
  afterAll(async () => {
    await browser?.close();
    await service?.service.stop();
  });

  let opened: OpenPage;
  let page: Page;
  const open = async (options?: OpenOptions) => {
    await opened?.[Symbol.asyncDispose]();
    opened = await openPage(browser, service.url, options);
    page = opened.page;
    // Then the page listens for what is dropped on it.
    await page.getByText("test-model on CPU").waitFor();
  };
  beforeEach(async () => {
    await open();
    return async () => {
      expect(opened.offences).toEqual([]);
      await opened[Symbol.asyncDispose]();
    };
  });

  const query = () => page.getByLabel("Query", { exact: true });
  const documents = () => page.getByLabel("Documents", { exact: true });
  const rerank = () => page.getByRole("button", { name: "Rerank" }).click();
  const results = () => page.getByRole("list", { name: "Ranked documents" }).getByRole("listitem");
  const texts = () => page.locator(".result .text").allTextContents();
  const ranked = (count: number) =>
    results()
      .nth(count - 1)
      .waitFor();

  test("opens with README's example and ranks it on Ctrl-Enter, as the library does", async () => {
    expect(await query().inputValue()).toBe(example.query);
    expect(await documents().inputValue()).toBe(example.documents.join("\n"));
    const library = await service.reranker.rerank(example);
    await documents().press("Control+Enter");
    await ranked(3);
    expect(await texts()).toEqual(library.results.map(({ document }) => document));
    expect(await page.locator(".score").allTextContents()).toEqual(library.results.map(({ score }) => score.toFixed(4)));
  });

  test.each(["Meta+Enter", "Enter"])("%s in the query ranks too", async (keys) => {
    await query().press(keys);
    await ranked(3);
    expect(await texts()).toHaveLength(3);
  });

  test("each bar is as long as its score", async () => {
    await rerank();
    await ranked(3);
    const shares = await page.evaluate<number[]>(
      `[...document.querySelectorAll(".fill")].map((bar) => bar.getBoundingClientRect().width / bar.parentElement.getBoundingClientRect().width)`,
    );
    const { results } = await service.reranker.rerank(example);
    expect(shares).toHaveLength(3);
    for (const [index, { score }] of results.entries()) expect(shares[index]).toBeCloseTo(score, 2);
  });

  test("says how far each document moved, to the eye and to a screen reader", async () => {
    await documents().fill([example.documents[1], example.documents[2], example.documents[0]].join("\n"));
    await rerank();
    await ranked(3);
    const movements = page.locator(".movement");
    expect(await movements.locator("[aria-hidden]").allTextContents()).toEqual(["▲2", "=", "▼2"]);
    expect(await movements.locator(".visually-hidden").allTextContents()).toEqual([
      ", up 2, from position 3",
      ", where it was",
      ", down 2, from position 1",
    ]);
  });

  test("shows time and tokens, and announces what came first", async () => {
    await rerank();
    await ranked(3);
    const { usage, results } = await service.reranker.rerank(example);
    const figures = await page.locator(".figures > div").allInnerTexts();
    expect(figures.map((figure) => figure.replace(/\s+/g, " "))).toEqual([
      expect.stringMatching(/^Round trip [\d.]+ m?s$/),
      expect.stringMatching(/^Server [\d.]+ m?s$/),
      expect.stringMatching(/^Compute [\d.]+ m?s$/),
      `Tokens ${usage.totalTokens}`,
    ]);
    const announced = await page.getByRole("status").filter({ hasText: "Ranked in" }).textContent();
    expect(announced).toContain(results[0]?.document);
  });

  test("a top of 1 asks for one result and says how many are left; later changes are noticed", async () => {
    await page.getByLabel("Top").fill("1");
    await rerank();
    await ranked(1);
    expect(await results().count()).toBe(1);
    await page.getByText("2 more documents were ranked lower.").waitFor();
    expect(await page.getByText("The request has changed").count()).toBe(0);
    await query().fill("something else");
    await page.getByText("The request has changed").waitFor();
  });

  test("folds long documents and unfolds them", async () => {
    await documents().fill("machine learning ".repeat(100));
    await rerank();
    await ranked(1);
    const height = async () => (await page.locator(".result .text").boundingBox())?.height ?? 0;
    const folded = await height();
    await page.getByRole("button", { name: "Show all" }).click();
    expect(await height()).toBeGreaterThan(2 * folded);
    await page.getByRole("button", { name: "Show less" }).click();
    expect(await height()).toBe(folded);
  });

  test("takes the documents and the query of a dropped .jsonl", async () => {
    const request = { query: "rivers", documents: ["a mountain", { text: "two\nrivers" }, "the sea"] };
    await dropFile(page, "search.jsonl", `${JSON.stringify(request)}\n${JSON.stringify(request)}\n`);
    await page.getByText("3 documents from search.jsonl. search.jsonl was read up to line 1: one request at a time.").waitFor();
    await page.getByText("Line breaks inside a document became spaces.").waitFor();
    expect(await query().inputValue()).toBe("rivers");
    expect(await documents().inputValue()).toBe("a mountain\ntwo rivers\nthe sea");
    await rerank();
    await ranked(3);
    expect((await texts())[0]).toBe("two rivers");
  });

  test("takes a dropped .jsonl of documents alone and leaves the query", async () => {
    await dropFile(page, "documents.jsonl", '"one"\n\n{"text":"two"}\n{"document":"three"}\n');
    await page.getByText("3 documents from documents.jsonl.").waitFor();
    expect(await documents().inputValue()).toBe("one\ntwo\nthree");
    expect(await query().inputValue()).toBe(example.query);
  });

  test.each([
    ["faulty.jsonl", '"good"\n{"title":"bad"}\n', 'faulty.jsonl, line 2: expected a string, {"text"} or {"query","documents"}'],
    ["empty.txt", "\n \n", "empty.txt holds no document"],
    ["picture.txt", "\0PNG", "picture.txt is not a text file"],
  ])("says what is wrong with %s and keeps what was there", async (name, content, message) => {
    await dropFile(page, name, content);
    await page.getByText(message).waitFor();
    expect(await documents().inputValue()).toBe(example.documents.join("\n"));
  });

  test("takes a chosen .txt, a document a line", async () => {
    const buffer = Buffer.from("\uFEFFfirst line\r\n\r\n  second line  \r\n");
    await page.locator("input[type=file]").setInputFiles({ name: "lines.txt", mimeType: "text/plain", buffer });
    await page.getByText("2 documents from lines.txt.").waitFor();
    expect(await documents().inputValue()).toBe("first line\nsecond line");
  });

  test("shows the service's message when it refuses, and the ranking when it no longer does", async () => {
    await documents().fill("one\n".repeat(13));
    await rerank();
    const alert = page.getByRole("alert");
    await alert.waitFor();
    expect(await alert.innerText()).toMatch(/^documents: at most 12 .*got 13\s+too_many_documents · status 422/);
    await documents().fill("one");
    await rerank();
    await ranked(1);
    expect(await alert.count()).toBe(0);
  });

  test("says so when no service answers", async () => {
    await page.route("**/rerank", (route) => route.abort());
    await rerank();
    await page.getByRole("alert").getByText(`no answer from ${service.url}`).waitFor();
    expect(await results().count()).toBe(0);
  });

  test("Stop leaves a request that takes long, and frees the button", async () => {
    await page.route("**/rerank", () => {});
    const left = page.waitForEvent("requestfailed");
    await rerank();
    await page.getByRole("button", { name: "Stop" }).click();
    expect((await left).url()).toBe(`${service.url}/rerank`);
    await page.getByRole("button", { name: "Rerank" }).waitFor();
    expect(await page.getByRole("alert").count()).toBe(0);
  });

  describe("its code", () => {
    const awkward = {
      query: `It's "quoted" $HOME \`id\` \\ 'twice'`,
      documents: ['It\'s "quoted" \\n', "naïve 你好 😀 </script>", "$(exit 1) it's {plain}"],
    };
    const expected = async () => {
      const { results } = await service.reranker.rerank({ ...awkward, topK: 2 });
      return results.map(({ score, document }) => ({ score: score.toFixed(4), document }));
    };
    const copied = async (language: string): Promise<string> => {
      await query().fill(awkward.query);
      await documents().fill(awkward.documents.join("\n"));
      await page.getByLabel("Top").fill("2");
      await page.getByText(language, { exact: true }).click();
      await page.getByRole("button", { name: `Copy the ${language} code` }).click();
      await page.getByRole("status").getByText("Copied").waitFor();
      return page.evaluate<string>("navigator.clipboard.readText()");
    };
    const printed = (stdout: string) =>
      stdout
        .trim()
        .split("\n")
        .map((line) => ({ score: line.slice(0, 6), document: line.slice(6).trim() }));

    test("for curl runs and gets the ranking", async () => {
      const { stdout } = await promisify(execFile)("sh", ["-c", await copied("curl")]);
      const answer: { results: { relevance_score: number; document: string }[] } = JSON.parse(stdout);
      const got = answer.results.map(({ relevance_score, document }) => ({ score: relevance_score.toFixed(4), document }));
      expect(got).toEqual(await expected());
    });

    const python = ["python3", "/usr/bin/python3"].find((name) => spawnSync(name, ["-c", "import requests"]).status === 0);
    test.skipIf(!python && !process.env.CI)("for Python runs and gets the ranking (needs python3-requests)", async () => {
      const { stdout } = await promisify(execFile)(python ?? "python3", ["-c", await copied("Python")], {
        env: { ...process.env, PYTHONIOENCODING: "utf-8" },
      });
      expect(printed(stdout)).toEqual(await expected());
    });

    test("for TypeScript runs and gets the ranking", async () => {
      const program = await copied("TypeScript");
      const { stdout } = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", program], { cwd: root });
      expect(printed(stdout)).toEqual(await expected());
    });

    test("is selected where a page has no clipboard", async () => {
      await open({
        permissions: [],
        before: `Object.defineProperty(navigator, "clipboard", { value: undefined }); document.execCommand = () => false;`,
      });
      await page.getByRole("button", { name: "Copy the curl code" }).click();
      await page.getByText("Selected: copy it with your keyboard").waitFor();
      expect(await page.evaluate("getSelection().toString()")).toMatch(/^curl http.*\}'\s*$/s);
    });
  });
});
