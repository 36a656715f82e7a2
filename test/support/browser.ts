/** Headless Chromium for the playground's tests, and a page that records violations of its policy. */

import { spawnSync } from "node:child_process";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { describe } from "vitest";
import { patienceMs } from "./until.js";

const names = ["chromium", "chromium-browser", "google-chrome"];
const found = names.find((name) => spawnSync(name, ["--version"]).status === 0);
const path = found && spawnSync("sh", ["-c", `command -v ${found}`], { encoding: "utf8" }).stdout.trim();

const missing = `no ${names.join(", ")} here; Debian: apt-get install chromium`;

/**
 * A CI machine without a browser is misconfigured, so there the tests fail. Elsewhere they are skipped, with the reason as name.
 */
export function describeInBrowser(what: string, tests: () => void): void {
  describe.skipIf(!path && !process.env.CI)(path ? what : `${what} (${missing})`, tests);
}

export async function launchBrowser(): Promise<Browser> {
  if (!path) throw new Error(missing);
  // Chromium's sandbox does not start as root, and containers have little shared memory.
  return chromium.launch({ executablePath: path, args: ["--no-sandbox", "--disable-dev-shm-usage"], timeout: patienceMs });
}

export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  /** Violations of the content security policy, uncaught exceptions, and requests to other origins. */
  readonly offences: readonly string[];
}

export interface OpenOptions extends BrowserContextOptions {
  /** JavaScript that runs before the page's scripts. */
  readonly before?: string;
  /** What to set up before the page is opened, such as answers in the server's place. */
  readonly prepare?: (page: Page) => Promise<unknown>;
}

export async function openPage(
  browser: Browser,
  url: string,
  { before, prepare, ...options }: OpenOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext({
    reducedMotion: "reduce",
    permissions: ["clipboard-read", "clipboard-write"],
    ...options,
  });
  context.setDefaultTimeout(patienceMs);
  const page = await context.newPage();
  const offences: string[] = [];
  page.on("console", (message) => {
    if (/Content Security Policy/.test(message.text())) offences.push(message.text());
  });
  page.on("pageerror", (error) => offences.push(error.message));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== new URL(url).origin) offences.push(`request to ${request.url()}`);
  });
  if (before) await page.addInitScript(before);
  await prepare?.(page);
  await page.goto(url);
  return { page, offences, [Symbol.asyncDispose]: () => context.close() };
}

export interface FileContent {
  readonly name: string;
  readonly mimeType: string;
  readonly buffer: Buffer;
}

/** Drops a text file onto the documents, as a file manager does. */
export function dropFile(page: Page, name: string, content: string): Promise<void> {
  return dropFiles(page, "#documents", [{ name, mimeType: "", buffer: Buffer.from(content) }]);
}

export async function dropFiles(page: Page, selector: string, files: readonly FileContent[]): Promise<void> {
  const dataTransfer = await page.evaluateHandle(transferProgram(files));
  await page.dispatchEvent(selector, "dragover", { dataTransfer });
  await page.dispatchEvent(selector, "drop", { dataTransfer });
}

/** Pastes files, beside texts by their types, into what has the focus. Returns whether the page took them. */
export function pasteFiles(page: Page, files: readonly FileContent[], texts: Readonly<Record<string, string>> = {}) {
  return page.evaluate<boolean>(`(() => {
    const clipboardData = ${transferProgram(files)};
    for (const [type, text] of Object.entries(${JSON.stringify(texts)})) clipboardData.setData(type, text);
    const paste = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
    return !document.activeElement.dispatchEvent(paste);
  })()`);
}

function transferProgram(files: readonly FileContent[]): string {
  const encoded = files.map(({ name, mimeType, buffer }) => [name, mimeType, buffer.toString("base64")]);
  return `(() => {
    const transfer = new DataTransfer();
    for (const [name, type, content] of ${JSON.stringify(encoded)}) {
      transfer.items.add(new File([Uint8Array.from(atob(content), (char) => char.charCodeAt(0))], name, { type }));
    }
    return transfer;
  })()`;
}
