// Owns: the page at `/` in dev, end to end: a real node, two real windows.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import {
  type DevProcess,
  openWindow,
  startBrowser,
  startDev,
  TEST_MS,
  until,
  WAIT_MS,
  type Window,
} from "./harness.ts";
import { by, connected, rename, say, text } from "./page.ts";

let dev: DevProcess;
let browser: Browser;
let context: BrowserContext;
let a: Window;
let b: Window;

beforeAll(async () => {
  [dev, browser] = await Promise.all([startDev(), startBrowser()]);
  context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  [a, b] = [await openWindow(context, dev.url), await openWindow(context, dev.url)];
  await Promise.all([connected(a.page), connected(b.page)]);
}, TEST_MS);

afterAll(async () => {
  await browser?.close();
  await dev?.stop();
}, TEST_MS);

describe("two windows of the page", () => {
  test(
    "see each other by name, and a new name is seen too",
    async () => {
      await rename(a.page, "Ada");
      await rename(b.page, "Grace");
      await by(b.page, "people").getByText("Ada", { exact: true }).waitFor();
      await by(a.page, "people").getByText("Grace", { exact: true }).waitFor();
      expect(await by(a.page, "people").locator("li").count()).toBe(2);
      await rename(a.page, "Ada L.");
      await by(b.page, "people").getByText("Ada L.", { exact: true }).waitFor();
    },
    TEST_MS,
  );

  test(
    "exchange messages; both show the same offset, and the sender shows its message once",
    async () => {
      await say(a.page, "ship at noon");
      const there = by(b.page, "log").locator("li.said", { hasText: "ship at noon" });
      const here = by(a.page, "log").locator("li.said[data-offset]", { hasText: "ship at noon" });
      await Promise.all([there.waitFor(), here.waitFor()]);
      expect(await here.count()).toBe(1);
      expect(await here.getAttribute("data-offset")).toBe(await there.getAttribute("data-offset"));
      await until(
        "nothing is left unsent",
        async () => (await a.page.locator("li.outgoing").count()) === 0,
      );
    },
    TEST_MS,
  );

  test(
    "show one another's cursor, and the winch feels a pull at the rope",
    async () => {
      await by(a.page, "board").scrollIntoViewIfNeeded();
      const box = await by(a.page, "board").boundingBox();
      if (!box) throw new Error("the board has no box");
      await a.page.mouse.move(box.x + box.width / 2, box.y + 10);
      await by(b.page, "others").getByText("Ada L. is on the board").waitFor({ state: "attached" });
      await a.page.mouse.move(box.x + box.width / 2, box.y + box.height * 0.58);
      await a.page.mouse.down();
      await a.page.mouse.move(box.x + box.width / 2, box.y + box.height - 4, { steps: 8 });
      await by(b.page, "others").getByText("Ada L. holds the rope").waitFor({ state: "attached" });
      const tension = by(b.page, "metric-tension").locator(".reading b");
      await until(
        "the tension rises above what the swell does",
        async () => Number(await tension.textContent()) > 5.5,
      );
      await a.page.mouse.up();
      await a.page.mouse.move(2, 2);
      await until("the cursor is gone", async () => (await text(b.page, "others")) === "");
    },
    TEST_MS,
  );

  test(
    "draw the telemetry: points arrive for each metric and every chart has a line",
    async () => {
      for (const metric of ["tension", "speed", "temperature"]) {
        const chart = by(a.page, `metric-${metric}`);
        await until(
          `${metric} has points`,
          async () => Number(await chart.getAttribute("data-points")) > 15,
        );
        await until(`${metric} is drawn`, () => chart.locator("canvas").evaluate(hasLine));
      }
    },
    TEST_MS,
  );

  test(
    "live through a restart of the node: nothing missing, nothing double, nobody left, never anything but connected",
    async () => {
      const before = await text(a.page, "node");
      await a.page.evaluate(recordStates);
      await by(a.page, "restart").click();
      const verdicts = await Promise.all(
        [a, b].map(async ({ page }) => {
          await by(page, "to-node").waitFor({ state: "attached", timeout: WAIT_MS * 2 });
          return until("the restart was watched for five seconds", async () => {
            const method = (await page.locator(".method").textContent()) ?? "";
            return Number(/Watched for (\d+) s/.exec(method)?.[1]) >= 5 && text(page, "verdict");
          });
        }),
      );
      for (const verdict of verdicts) {
        expect(verdict).toContain("0 missing, 0 duplicated, nobody left the room.");
        expect(verdict).toMatch(/Delivery paused for [\d.]+ ms/);
        expect(verdict).toContain("The connection stayed connected.");
      }
      expect(await text(a.page, "from-node")).toBe(before);
      expect(await text(a.page, "node")).not.toBe(before);
      expect(await text(a.page, "to-node")).toBe(await text(b.page, "to-node"));
      expect(await a.page.evaluate(() => Reflect.get(window, "statesSeen"))).toEqual(["connected"]);
      expect(await by(a.page, "people").locator("li").count()).toBe(2);
    },
    TEST_MS,
  );

  test(
    "still talk after the restart, and keep what was said before it",
    async () => {
      await say(b.page, "still here");
      await by(a.page, "log").locator("li.said", { hasText: "still here" }).waitFor();
      const late = await openWindow(context, dev.url);
      await by(late.page, "log").locator("li.said", { hasText: "ship at noon" }).waitFor();
      await by(late.page, "log").locator("li.said", { hasText: "still here" }).waitFor();
      expect(late.complaints).toEqual([]);
      // A new window takes the name that was chosen last; a reload keeps its own.
      expect(await by(late.page, "name").inputValue()).toBe("Ada L.");
      await rename(late.page, "Late");
      await late.page.reload();
      expect(await by(late.page, "name").inputValue()).toBe("Late");
      await late.page.close();
    },
    TEST_MS,
  );

  test("left nothing in the console: no error, no warning, no failed request", () => {
    expect([...a.complaints, ...b.complaints]).toEqual([]);
  });
});

describe("the keyboard alone", () => {
  test(
    "reaches the room, says something, takes hold of the rope and changes the theme",
    async () => {
      const { page, complaints } = await openWindow(context, dev.url);
      await connected(page);
      await page.keyboard.press("Tab");
      expect(await page.evaluate(() => document.activeElement?.className)).toBe("skip");
      await tabTo(page, "message");
      await page.keyboard.type("typed only");
      await page.keyboard.press("Enter");
      await by(a.page, "log").locator("li.said", { hasText: "typed only" }).waitFor();
      await tabTo(page, "board");
      const ring = await page.evaluate(
        () => getComputedStyle(document.activeElement ?? document.body).outlineStyle,
      );
      expect(ring).toBe("solid");
      // From where the cursor starts, the rope hangs seven steps down.
      for (let step = 0; step < 7; step++) await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Space");
      await by(a.page, "others").getByText("holds the rope").waitFor({ state: "attached" });
      await page.keyboard.press("Space");
      await by(a.page, "others").getByText("is on the board").waitFor({ state: "attached" });
      const theme = () => page.evaluate(() => document.documentElement.dataset.theme);
      const themeBefore = await theme();
      await page.getByRole("button", { name: "Dark" }).focus();
      await page.keyboard.press("Enter");
      expect(await theme()).not.toBe(themeBefore);
      expect(complaints).toEqual([]);
      await page.close();
    },
    TEST_MS,
  );
});

/** Presses Tab until the element with this test id has the focus; at most 40 times. */
async function tabTo(page: Page, id: string): Promise<void> {
  for (let press = 0; press < 40; press++) {
    if (
      await page.evaluate(
        (wanted) => document.activeElement?.getAttribute("data-testid") === wanted,
        id,
      )
    )
      return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`Tab does not reach ${id}`);
}

/**
 * Runs in the page: whether a chart has at least 40 pixels in the colour of its line. The grid does
 * not count.
 */
function hasLine(canvas: HTMLCanvasElement | SVGElement): boolean {
  if (!(canvas instanceof HTMLCanvasElement) || canvas.width === 0) return false;
  // A copy, because reading a canvas back slows its drawing and makes the browser warn.
  const context = new OffscreenCanvas(canvas.width, canvas.height).getContext("2d", {
    willReadFrequently: true,
  });
  if (!context) return false;
  context.drawImage(canvas, 0, 0);
  const accent = getComputedStyle(canvas).getPropertyValue("--accent").trim();
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) =>
    Number.parseInt(accent.slice(at, at + 2), 16),
  );
  const { data } = context.getImageData(0, 0, context.canvas.width, context.canvas.height);
  let inked = 0;
  for (let at = 0; at < data.length; at += 4) {
    const difference =
      Math.abs((data[at] ?? 0) - red) +
      Math.abs((data[at + 1] ?? 0) - green) +
      Math.abs((data[at + 2] ?? 0) - blue);
    if ((data[at + 3] ?? 0) > 200 && difference < 24) inked++;
  }
  return inked > 40;
}

/** Runs in the page: notes every state that the strip shows from now on. */
function recordStates(): void {
  const element = document.querySelector("[data-testid=state]");
  const seen = [element?.textContent];
  Reflect.set(window, "statesSeen", seen);
  new MutationObserver(() => seen.push(element?.textContent)).observe(element ?? document, {
    childList: true,
    characterData: true,
    subtree: true,
  });
}
