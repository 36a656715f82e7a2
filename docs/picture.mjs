/**
 * Makes the pictures of the playground in README and docs/images.md, of a running service. Needs chromium on PATH.
 *
 *     npm run demo
 *     node docs/picture.mjs                               playground.png: the example ranked
 *     node docs/picture.mjs URL QUERY IMAGE…              playground-images.png: images ranked, by a service with a vision tower
 */
import { execFileSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const [url = "http://localhost:8081/", query, ...images] = process.argv.slice(2);
const executablePath = execFileSync("sh", ["-c", "command -v chromium"], { encoding: "utf8" }).trim();
// Chromium's sandbox does not start as root.
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 790 }, colorScheme: "light" });
  await page.goto(url);
  if (query !== undefined) {
    await page.getByRole("textbox", { name: "Query" }).fill(query);
    await page.locator("input[type=file]").last().setInputFiles(images);
    await page.getByText(`${images.length} images added`).waitFor();
  }
  await page.getByLabel("Documents", { exact: true }).press("Control+Enter");
  const ranking = page.getByRole("list", { name: "Ranked documents" }).getByRole("listitem");
  await ranking.nth(2 + images.length).waitFor({ timeout: 300_000 });
  const path = join(dirname(fileURLToPath(import.meta.url)), query === undefined ? "playground.png" : "playground-images.png");
  await page.screenshot({ path, animations: "disabled", fullPage: query !== undefined });
} finally {
  await browser.close();
}
