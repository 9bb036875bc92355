// Owns: the factory's page: each window comes once by WebSocket and by server-sent events and has
// its row, also while all nodes are replaced.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import { openWindow, startBrowser, TEST_MS, until } from "./harness.ts";
import { by, text } from "./page.ts";

const MAIN = fileURLToPath(new URL("../../examples/factory/main.ts", import.meta.url));
const MACHINES = 12;
const WAYS = ["socket", "events", "table"];
/** A window, its lateness, and a busy machine. */
const WINDOW_MS = 40_000;

let browser: Browser;
let factory: Bun.Subprocess;
let url: string;

beforeAll(async () => {
  const port = await freePort();
  url = `http://127.0.0.1:${port}/`;
  factory = Bun.spawn(
    [
      ...[process.execPath, MAIN, "--port", String(port), "--nodes-port", String(await freePort())],
      ...["--machines", String(MACHINES), "--every-ms", "100"],
    ],
    { stdin: "ignore", stdout: "ignore", stderr: "inherit" },
  );
  browser = await startBrowser();
  await until("nodes are ready", async () => {
    if (factory.exitCode !== null) throw new Error(`the example ended: ${factory.exitCode}`);
    const answer = await fetch(`${url}nodes`).catch(() => undefined);
    return answer?.status === 200 && /"ready".*"ready"/.test(await answer.text());
  });
}, TEST_MS);

afterAll(async () => {
  await browser?.close();
  factory?.kill("SIGTERM");
  await factory?.exited;
}, TEST_MS);

async function counts(page: Page, way: string): Promise<Readonly<Record<string, number>>> {
  const found = await by(page, way)
    .locator("[data-count]")
    .evaluateAll((all) =>
      all.map((one) => [one.getAttribute("data-count") ?? "", one.textContent ?? ""]),
    );
  return Object.fromEntries(found.map(([name, words]) => [name, Number(words?.replace(",", ""))]));
}

const nodesOf = (page: Page): Promise<readonly string[]> =>
  by(page, "nodes").locator("code").allTextContents();

test(
  "over a replacement of all nodes each window comes once by both ways and has its row; the keyboard asks for it",
  async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const { page, complaints } = await openWindow(context, url);
    const everywhere = (least: number) =>
      until(
        `${least} windows are everywhere`,
        async () => {
          for (const way of WAYS)
            if (((await counts(page, way)).windows ?? 0) < least) return false;
          return true;
        },
        WINDOW_MS,
      );
    await everywhere(MACHINES);
    expect(await nodesOf(page)).toEqual(["node-a1", "node-b1"]);
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain("Skip");
    for (let at = 0; at < 3; at++) await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await until(
      "all nodes are new",
      async () => (await nodesOf(page)).join() === "node-a2,node-b2",
      WINDOW_MS,
    );
    const during = (await counts(page, "socket")).windows ?? 0;
    await everywhere(during + 2 * MACHINES);
    const log = await by(page, "log").textContent();
    expect(log).toMatch(/node-[ab]1drains/);
    expect(log).toMatch(/WebSocketmoved from node-[ab]1 to node-[ab]2/);
    expect(log).toContain("the stream goes on where it was");
    // Those that came to one way last are due everywhere by then.
    const all = await until("all have the same", async () => {
      const shown = await Promise.all(WAYS.map((way) => counts(page, way)));
      return new Set(shown.map(({ windows }) => windows)).size === 1 ? shown : undefined;
    });
    for (const one of all) expect(one).toMatchObject({ missing: 0, twice: 0, different: 0 });
    expect(await text(page, "verdict")).toMatch(/^\d+ windows: each came once by both ways/);
    const rows = (await (await fetch(`${url}rows?since=0`)).json()) as readonly unknown[];
    expect(rows.length).toBeGreaterThanOrEqual(all[0]?.windows ?? 0);
    await until("an alarm is shown", async () =>
      /raised at \d/.test((await by(page, "alarms").textContent()) ?? ""),
    );
    expect(complaints).toEqual([]);
    await context.close();
  },
  patience(200_000),
);

test(
  "at each width and in both themes nothing scrolls sideways, and the reader's choice stays",
  async () => {
    // Pictures for whoever changes the page, if they ask for them.
    const folder = process.env.FACTORY_PICTURES;
    if (folder !== undefined) mkdirSync(folder, { recursive: true });
    for (const width of [390, 768, 1560]) {
      const context = await browser.newContext({ viewport: { width, height: 900 } });
      const { page, complaints } = await openWindow(context, url);
      await until("there is something to see", () => by(page, "table").locator("li").count());
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth);
        expect(wide).toBeLessThanOrEqual(width);
        if (folder !== undefined)
          await page.screenshot({ path: `${folder}/${width}-${colorScheme}.png`, fullPage: true });
      }
      expect(complaints).toEqual([]);
      await page.getByRole("button", { name: "Dark" }).click();
      // This ends streams, and the browser says so.
      await page.reload();
      expect(await page.evaluate(() => document.documentElement.dataset.theme)).toBe("light");
      await context.close();
    }
  },
  TEST_MS,
);

test("other pages can neither order a restart nor read more than the table has", async () => {
  expect((await fetch(`${url}restart`, { method: "POST" })).status).toBe(403);
  expect((await fetch(`${url}rows?since=1;DROP`)).status).toBe(400);
  expect((await fetch(`${url}../package.json`)).status).toBe(404);
  const policy = (await fetch(url)).headers.get("content-security-policy");
  expect(policy).toContain("default-src 'none'; script-src 'self'");
});
