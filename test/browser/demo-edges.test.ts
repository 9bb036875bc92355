// Owns: the page at `/` in dev where things are not as usual: no network, a narrow screen, its
// headers.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Holdfast } from "@holdfast/client";
import { CONSOLE_CSP, type DemoContract } from "@holdfast/demo";
import type { Browser } from "playwright-core";
import { type DevProcess, openWindow, startBrowser, startDev, TEST_MS, until } from "./harness.ts";
import { by, connected, say, text } from "./page.ts";

let dev: DevProcess;
let browser: Browser;

beforeAll(async () => {
  [dev, browser] = await Promise.all([startDev(), startBrowser()]);
}, TEST_MS);

afterAll(async () => {
  await browser?.close();
  await dev?.stop();
}, TEST_MS);

describe("a window without a network", () => {
  test(
    "queues what is said, sends it once when the network is back, and says which messages will not come",
    async () => {
      const context = await browser.newContext({ viewport: { width: 900, height: 900 } });
      const publisher = new Holdfast<DemoContract>(dev.connectUrl);
      try {
        const { page } = await openWindow(context, dev.url);
        await connected(page);
        await publisher.channel("chat:lobby").publish({ name: "Grace", text: "before" });
        await by(page, "log").locator("li.said", { hasText: "before" }).waitFor();
        await context.setOffline(true);
        await until("the page notices", async () => {
          // The browser's hint, repeated: a heartbeat that was on its way passes for a sign of life
          // after the first.
          await page.evaluate(() => window.dispatchEvent(new Event("offline")));
          return (await text(page, "state")) !== "connected";
        });
        expect(await by(page, "people").locator("li", { hasText: "you" }).count()).toBe(1);
        const own = await by(page, "name").inputValue();
        expect(await by(page, "people").getByText(own, { exact: true }).count()).toBe(1);
        await say(page, "said without a network");
        await page
          .locator("li.outgoing[data-state=queued]", { hasText: "said without a network" })
          .waitFor();
        // More than the channel keeps.
        const room = publisher.channel("chat:lobby");
        await Promise.all(
          Array.from({ length: 230 }, (_, index) =>
            room.publish({ name: "Grace", text: `flood ${index + 1}` }),
          ),
        );
        await context.setOffline(false);
        await connected(page);
        const sent = page.locator("li.said[data-offset]", { hasText: "said without a network" });
        await sent.waitFor();
        expect(await sent.count()).toBe(1);
        await page
          .locator("li.gap", {
            hasText: /^Messages \d+ to \d+ will not come: they are no longer kept\.$/,
          })
          .waitFor();
        expect(await page.locator("li.outgoing").count()).toBe(0);
        const [, from, to] =
          /Messages (\d+) to (\d+)/.exec((await page.locator("li.gap").textContent()) ?? "") ?? [];
        const offsets = await page
          .locator("li.said[data-offset]")
          .evaluateAll((items) => items.map((item) => Number(item.getAttribute("data-offset"))));
        expect(offsets).toEqual(offsets.toSorted((x, y) => x - y));
        expect(offsets.filter((offset) => offset >= Number(from) && offset <= Number(to))).toEqual(
          [],
        );
        expect(offsets).toContain(Number(to) + 1);
      } finally {
        await publisher.close();
        await context.close();
      }
    },
    TEST_MS,
  );
});

describe("the page's files", () => {
  test("come with the strict policy that the console states", async () => {
    for (const path of ["", "assets/main.js", "assets/page.css"]) {
      const response = await fetch(`${dev.url}${path}`);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-security-policy")).toBe(CONSOLE_CSP);
    }
  });
});

describe("a narrow and a wide screen", () => {
  for (const width of [360, 768, 1920]) {
    test(
      `of ${width} px has no horizontal scrolling, in light and in dark`,
      async () => {
        const context = await browser.newContext({ viewport: { width, height: 800 } });
        const { page, complaints } = await openWindow(context, dev.url);
        await connected(page);
        for (const colorScheme of ["light", "dark"] as const) {
          await page.emulateMedia({ colorScheme });
          const { scroll, inner } = await page.evaluate(() => ({
            scroll: document.documentElement.scrollWidth,
            inner: innerWidth,
          }));
          expect(scroll).toBeLessThanOrEqual(inner);
        }
        expect(complaints).toEqual([]);
        await context.close();
      },
      TEST_MS,
    );
  }
});
