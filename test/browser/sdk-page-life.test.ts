// Owns: what a page that is kept for the way back, frozen or hidden does to its session, in a real
// browser against a real node.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { Holdfast } from "@holdfast/client";
import type { DemoContract } from "@holdfast/demo";
import type { Browser, Page } from "playwright-core";
import { patience } from "../patience.ts";
import type {} from "./fixtures/sdk-page.ts";
import { type DevProcess, startBrowser, startDev, TEST_MS, until, WAIT_MS } from "./harness.ts";

let dev: DevProcess;
let browser: Browser;
let other: Holdfast<DemoContract>;
let site: Bun.Server<undefined>;

beforeAll(async () => {
  const entry = fileURLToPath(new URL("./fixtures/sdk-page.ts", import.meta.url));
  const built = await Bun.build({
    entrypoints: [entry],
    target: "browser",
    conditions: ["bun"],
    format: "iife",
  });
  const script = await built.outputs[0]?.text();
  // A site of its own: the browser keeps no page for the way back that may not be stored.
  site = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) =>
      url.endsWith(".js")
        ? new Response(script, { headers: { "content-type": "text/javascript" } })
        : new Response('<!doctype html><script src="/sdk.js"></script>', {
            headers: { "content-type": "text/html" },
          }),
  });
  const origin = site.url.origin;
  [dev, browser] = await Promise.all([
    startDev(["--allowed-origins", origin]),
    startBrowser({ keepsPages: true }),
  ]);
  other = new Holdfast<DemoContract>(dev.connectUrl);
}, TEST_MS);

afterAll(async () => {
  await browser?.close();
  await other?.close();
  await dev?.stop();
  await site?.stop(true);
}, TEST_MS);

const membersOf = (run: string) => other.channel(`chat:${run}`).presence.get();

/** A page that is a member of the room, and keeps what happened to it. */
async function open(run: string): Promise<Page> {
  const page = await browser.newPage();
  page.setDefaultTimeout(patience(WAIT_MS));
  await page.goto(`${site.url.origin}/${run}`);
  await page.evaluate(
    async ([url = "", run]) => {
      const client = new window.sdk.Holdfast<DemoContract>(url);
      const seen = { states: [] as string[], shown: [] as boolean[], numbers: [] as number[] };
      client.on("state", ({ state, reason }) => seen.states.push(`${state} ${reason}`));
      addEventListener("pageshow", (event) => seen.shown.push(Object(event).persisted));
      const room = client.channel(`chat:${run}`);
      const { ready } = room.subscribe(({ data }) => seen.numbers.push(Number(data.text)));
      await Promise.all([ready, room.presence.enter({ name: "Ada" })]);
      Object.assign(window, { seen, client });
    },
    [dev.connectUrl, run],
  );
  return page;
}
const seenBy = (page: Page): Promise<{ states: string[]; shown: boolean[]; numbers: number[] }> =>
  page.evaluate(() => Object(window).seen);

test(
  "a page that the browser keeps for the way back leaves after the grace time, and is back at once, with what it missed",
  async () => {
    const run = "kept";
    const page = await open(run);
    const [member] = await membersOf(run);
    expect(member?.data).toEqual({ name: "Ada" });
    const leftMs = performance.now();
    await page.goto(`${site.url.origin}/elsewhere`);
    await until("the member has left", async () => (await membersOf(run)).length === 0, 30_000);
    // 10 s, and not the 60 s after which a silent connection is closed.
    expect(performance.now() - leftMs).toBeGreaterThan(8_000);
    for (let n = 1; n <= 5; n++)
      await other.channel(`chat:${run}`).publish({ name: "Grace", text: String(n) });
    await page.evaluate(() => history.back()).catch(() => {});
    await until(
      "the page is back",
      async () => (await seenBy(page).catch(() => undefined))?.shown[0],
    );
    await until("it is a member again", async () => (await membersOf(run))[0]?.id === member?.id);
    await until("it has what it missed", async () => (await seenBy(page)).numbers.length === 5);
    const { states, numbers } = await seenBy(page);
    expect(numbers).toEqual([1, 2, 3, 4, 5]);
    expect(states).toEqual(["connected connected", "reconnecting paused", "connected resumed"]);
    await page.close();
  },
  TEST_MS,
);

test(
  "a page that is told that it freezes ends its connection, and comes back when it runs again",
  async () => {
    const run = "frozen";
    const page = await open(run);
    // Chromium freezes only hidden pages, and here every page counts as seen: its events are made.
    await page.evaluate(() => document.dispatchEvent(new Event("freeze")));
    await until("the member has left", async () => (await membersOf(run)).length === 0, 30_000);
    await page.evaluate(() => document.dispatchEvent(new Event("resume")));
    await until("it is a member again", async () => (await membersOf(run)).length === 1);
    expect((await seenBy(page)).states).toEqual([
      "connected connected",
      "reconnecting paused",
      "connected resumed",
    ]);
    await page.close();
  },
  TEST_MS,
);
