/**
 * Makes README's picture: the playground of a running demo service with its example ranked. Needs chromium on PATH.
 *
 *     npm run demo
 *     node docs/picture.mjs [URL]      default: http://localhost:8081/
 */
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [url = "http://localhost:8081/"] = process.argv.slice(2);
const executablePath = execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
// Chromium's sandbox does not start as root.
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 790 }, colorScheme: "light" });
  await page.goto(url);
  await page.getByLabel("Documents", { exact: true }).press("Control+Enter");
  await page.getByRole("list", { name: "Ranked documents" }).getByRole("listitem").nth(2).waitFor();
  await page.screenshot({ path: join(dirname(fileURLToPath(import.meta.url)), "playground.png"), animations: "disabled" });
} finally {
  await browser.close();
}
