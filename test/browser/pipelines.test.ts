// Owns: the page of pipelines of `holdfast dev`: what it shows of windows, dead letters, sinks and
// owners, over a restart, and under a flood.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Holdfast } from "@holdfast/client";
import { CONSOLE_CSP } from "@holdfast/demo";
import type { Browser, Page } from "playwright-core";
import { type DevProcess, openWindow, startBrowser, startDev, TEST_MS, until } from "./harness.ts";

const CONTRACT = fileURLToPath(new URL("./fixtures/pipelines.config.ts", import.meta.url));
const FLOOD = { events: 60, windows: 100 };

let dev: DevProcess;
let browser: Browser;
let client: Holdfast;
beforeAll(async () => {
  [dev, browser] = await Promise.all([
    startDev(["--contract", CONTRACT, "--nodes", "2"]),
    startBrowser(),
  ]);
  client = new Holdfast(dev.connectUrl);
}, TEST_MS);
afterAll(async () => {
  await client?.close();
  await browser?.close();
  await dev?.stop();
}, TEST_MS);

const plate = (page: Page, name: string) => page.getByTestId(`pipeline-${name}`);
const shown = async (page: Page, name: string, label: string): Promise<number> =>
  Number((await plate(page, name).getByTestId(`count-${label}`).textContent())?.replace(",", ""));

async function machines(seconds: number): Promise<void> {
  const beganMs = Date.now();
  for (let at = 0; at < seconds * 10; at++) {
    for (const line of ["north", "south"])
      await client.channel(`telemetry:${line}`).publish({
        machine: `m${at % 3}`,
        celsius: 60 + ((at * 7) % 45),
        at: beganMs + at * 100,
      });
  }
}

test(
  "windows, dead letters, late events, breakers and owners are on the page, and its files keep its policy",
  async () => {
    const context = await browser.newContext({ viewport: { width: 1560, height: 1000 } });
    const { page, complaints } = await openWindow(context, `${dev.url}pipelines`);
    await plate(page, "heat").waitFor();
    await until("each partition has an owner", async () => {
      const owners = await plate(page, "heat").locator(".owners li").allTextContents();
      return owners.length === 4 && owners.every((text) => /node/.test(text));
    });
    await machines(6);
    const telemetry = client.channel("telemetry:north");
    await telemetry.publish({ machine: "broken", celsius: 20, at: Date.now() });
    await telemetry.publish({ machine: "m1", celsius: 20, at: Date.now() - 60_000 });
    const results = plate(page, "heat").getByRole("list", { name: "Newest results" });
    await until("windows come", async () => (await results.locator("li").count()) >= 3);
    expect(await results.locator("li").first().textContent()).toMatch(/north|south/);
    const dead = plate(page, "heat").getByRole("list", { name: "Dead and late" });
    await until("the dead letter comes with its reason", async () =>
      (await dead.allTextContents()).join().includes("threw · map 1 · no such machine"),
    );
    await until("the late one comes", async () =>
      (await dead.allTextContents()).join().includes("late"),
    );
    await until("the breaker opens", async () =>
      /is away|is tried/.test(
        (await plate(page, "away").getByTestId("output-0").textContent()) ?? "",
      ),
    );
    await until("counts are right", async () => (await shown(page, "heat", "in")) >= 122);
    expect(await shown(page, "heat", "dead")).toBe(1);
    expect(await shown(page, "heat", "late")).toBe(1);
    for (const path of ["pipelines", "assets/pipelines.js", "assets/pipelines.css"])
      expect((await fetch(`${dev.url}${path}`)).headers.get("content-security-policy")).toBe(
        CONSOLE_CSP,
      );
    const overview = await (await fetch(dev.url)).text();
    expect(overview).toContain('href="/pipelines"');
    expect(overview).not.toContain("holdfast-dev:");
    expect(complaints).toEqual([]);
    await context.close();
  },
  TEST_MS,
);

test(
  "by keyboard: the skip link comes first, and Pause holds what is shown",
  async () => {
    const context = await browser.newContext({ viewport: { width: 900, height: 900 } });
    const { page } = await openWindow(context, `${dev.url}pipelines`);
    await plate(page, "heat").waitFor();
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain("Skip");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    expect(await page.getByTestId("state").textContent()).toBe("paused");
    const before = await shown(page, "flood", "in");
    await client.channel("flood").publish({ first: 0, count: 1 });
    const other = await openWindow(context, `${dev.url}pipelines`);
    await until(
      "another window counts it",
      async () => (await shown(other.page, "flood", "in")) > before,
    );
    expect(await shown(page, "flood", "in")).toBe(before);
    await page.keyboard.press("Space");
    await until("it goes on", async () => (await shown(page, "flood", "in")) > before);
    await context.close();
  },
  TEST_MS,
);

test(
  "a flood of windows with 1,000 keys: lists stay short, counts go on, and the page answers",
  async () => {
    const context = await browser.newContext({ viewport: { width: 1200, height: 900 } });
    const { page, complaints } = await openWindow(context, `${dev.url}pipelines`);
    await plate(page, "flood").waitFor();
    const before = await shown(page, "flood", "out");
    let answers = 0;
    const toggles = page.getByRole("button", { name: "Dark" });
    for (let at = 0; at < FLOOD.events; at++) {
      const first = (at * FLOOD.windows) % 1_000;
      await client.channel("flood").publish({ first, count: FLOOD.windows });
      await Bun.sleep(100);
      if (at % 10 !== 0) continue;
      await toggles.click();
      answers += 1;
    }
    expect(answers).toBe(FLOOD.events / 10);
    const wanted = FLOOD.events * FLOOD.windows;
    await until(
      "every window is counted",
      async () => (await shown(page, "flood", "out")) >= before + wanted,
    );
    expect(await plate(page, "flood").locator(".roll li").count()).toBeLessThanOrEqual(60);
    expect(await page.evaluate(() => document.querySelectorAll("*").length)).toBeLessThan(3_000);
    expect(await plate(page, "flood").textContent()).toContain("more not shown");
    expect(complaints).toEqual([]);
    await context.close();
  },
  TEST_MS,
);

test(
  "over a restart of all nodes the page stays, and owners are those that run now",
  async () => {
    const context = await browser.newContext({ viewport: { width: 1200, height: 900 } });
    const { page } = await openWindow(context, `${dev.url}pipelines`);
    const owners = plate(page, "heat").locator(".owners");
    await until("owners are there", async () => /node/.test((await owners.textContent()) ?? ""));
    const old = (await owners.locator("code").allTextContents()).filter(
      (text) => text !== "nobody",
    );
    const origin = dev.url.replace(/\/$/, "");
    const answer = await fetch(`${dev.url}dev/restart`, { method: "POST", headers: { origin } });
    expect(answer.status).toBe(202);
    await until(
      "each partition has a new owner",
      async () => {
        const now = await owners.locator("code").allTextContents();
        return now.length === 4 && now.every((one) => one !== "nobody" && !old.includes(one));
      },
      60_000,
    );
    expect(await page.getByTestId("state").textContent()).toBe("connected");
    await context.close();
  },
  TEST_MS,
);

test(
  "at each width and in both themes nothing scrolls sideways",
  async () => {
    // Pictures for whoever changes the page, if they ask for them.
    const folder = process.env.PIPELINES_PICTURES;
    if (folder !== undefined) mkdirSync(folder, { recursive: true });
    for (const width of [390, 768, 1200, 1920]) {
      const context = await browser.newContext({ viewport: { width, height: 900 } });
      const { page, complaints } = await openWindow(context, `${dev.url}pipelines`);
      await plate(page, "away").waitFor();
      if (folder !== undefined) await machines(3);
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        const { scroll, inner } = await page.evaluate(() => ({
          scroll: document.documentElement.scrollWidth,
          inner: innerWidth,
        }));
        expect(scroll).toBeLessThanOrEqual(inner);
        if (folder !== undefined)
          await page.screenshot({ path: `${folder}/${width}-${colorScheme}.png`, fullPage: true });
      }
      expect(complaints).toEqual([]);
      await context.close();
    }
  },
  TEST_MS,
);
