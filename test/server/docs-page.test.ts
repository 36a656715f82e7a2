/** The API reference in a real browser: it tries requests out, loads nothing from elsewhere, and adds no fault of accessibility. */

import axe from "axe-core";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { describeInBrowser, launchBrowser, openPage } from "../support/browser.js";
import { startTestService, type TestService } from "../support/demo-service.js";

/** The rules that @fastify/swagger-ui 5.2.6 breaks with its own elements and colours, which no option of it changes. */
const ofSwaggerUi = ["color-contrast", "heading-order", "landmark-one-main", "nested-interactive", "region", "select-name"];

describeInBrowser("the API reference", () => {
  let browser: Browser;
  let service: TestService;
  beforeAll(async () => {
    browser = await launchBrowser();
    service = await startTestService();
  });
  afterAll(async () => {
    await browser?.close();
    await service?.service.stop();
  });

  test("sends the example of an operation to its own service", async () => {
    await using opened = await openPage(browser, `${service.url}/docs/`);
    const { page } = opened;
    const operation = page.locator(".opblock", { hasText: "Ranks documents for a query" }).first();
    await operation.locator(".opblock-summary-control").click();
    await operation.getByRole("button", { name: "Execute" }).click();
    const status = operation.locator(".live-responses-table .response-col_status").last();
    await status.waitFor();
    expect(await status.innerText()).toMatch(/^200/);
    expect(await operation.locator(".request-url").innerText()).toContain(`${service.url}/rerank`);
    expect(opened.offences).toEqual([]);
  });

  test("has no fault that axe finds but those of Swagger UI's own markup", async () => {
    await using opened = await openPage(browser, `${service.url}/docs/`);
    const { page } = opened;
    await page.locator(".opblock").first().waitFor();
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate<axe.AxeResults>("axe.run()");
    const others = violations.filter(({ id }) => !ofSwaggerUi.includes(id));
    expect(others.map(({ id, nodes }) => `${id} ${nodes.map(({ html }) => html).join(" ")}`)).toEqual([]);
    expect(opened.offences).toEqual([]);
  });
});
