// Owns: the SDK in a real browser, against a real node: both codecs, errors, a lost network.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import { Holdfast } from "@holdfast/client";
import type { DemoContract } from "@holdfast/demo";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { patience } from "../patience.ts";
import type {} from "./fixtures/react-page.ts";
import type {} from "./fixtures/sdk-page.ts";
import { type DevProcess, startBrowser, startDev, TEST_MS, until, WAIT_MS } from "./harness.ts";

let dev: DevProcess;
let browser: Browser;
let script: string;
let reactScript: string;

beforeAll(async () => {
  [dev, browser, script, reactScript] = await Promise.all([
    startDev(),
    startBrowser(),
    bundle("sdk-page.ts"),
    bundle("react-page.ts"),
  ]);
}, TEST_MS);

afterAll(async () => {
  await browser?.close();
  await dev?.stop();
}, TEST_MS);

/**
 * A fixture as one classic script; React in its development build, which is the one that checks
 * StrictMode.
 */
async function bundle(name: string): Promise<string> {
  const entry = fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
  const define = { "process.env.NODE_ENV": '"development"' };
  const built = await Bun.build({
    entrypoints: [entry],
    target: "browser",
    conditions: ["bun"],
    format: "iife",
    define,
  });
  const [output] = built.outputs;
  if (!output) throw new Error("the fixture was not bundled");
  return output.text();
}

/**
 * A page of the node's own origin that holds nothing but the fixture. It comes from the node (which
 * knows no such page), because a browser keeps made-up pages away from this machine's sockets.
 */
async function openFixture(context: BrowserContext, content: string): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(patience(WAIT_MS));
  await page.goto(`${dev.url}fixture`);
  await page.addScriptTag({ content });
  return page;
}

async function withPage(
  task: (page: Page, context: BrowserContext) => Promise<void>,
  content = script,
): Promise<void> {
  const context = await browser.newContext();
  try {
    await task(await openFixture(context, content), context);
  } finally {
    await context.close();
  }
}

describe("the SDK in Chromium", () => {
  for (const codec of ["json", "msgpack"] as const) {
    test(
      `publishes and receives every number once and in order, with ${codec}`,
      () =>
        withPage(async (page) => {
          const run = `order-${codec}`;
          const offsets = await page.evaluate(
            async ({ run, codec }) => {
              window.recording = window.sdk.record(
                run,
                codec === "msgpack" ? { codec: window.sdk.msgpack } : {},
              );
              const { say, ready } = window.recording;
              await ready;
              return Promise.all(Array.from({ length: 100 }, (_, index) => say(index + 1)));
            },
            { run, codec },
          );
          await page.waitForFunction(() => window.recording.numbers.length >= 100);
          expect(await page.evaluate(() => window.recording.numbers)).toEqual(
            Array.from({ length: 100 }, (_, index) => index + 1),
          );
          expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
          expect(new Set(offsets).size).toBe(100);
        }),
      TEST_MS,
    );
  }

  test(
    "calls a method, and says where data is wrong",
    () =>
      withPage(async (page) => {
        const found = await page.evaluate(async () => {
          const { client } = window.sdk.record("errors");
          const { nowMs } = await client.rpc("time", {});
          const failure = await client
            .channel("chat:errors")
            .publish({ name: "Ada", text: "" })
            .catch((error) => error);
          const { code, retry, path } = failure as InstanceType<typeof window.sdk.HoldfastError>;
          return { nowMs, isOurs: failure instanceof window.sdk.HoldfastError, code, retry, path };
        });
        expect(Math.abs(found.nowMs - Date.now())).toBeLessThan(patience(WAIT_MS));
        expect(found).toMatchObject({
          isOurs: true,
          code: "payload_invalid",
          retry: "never",
          path: expect.stringContaining("text"),
        });
      }),
    TEST_MS,
  );

  test(
    "loses nothing and repeats nothing when the network goes away and comes back",
    () =>
      withPage(async (page, context) => {
        const run = "offline";
        const publisher = new Holdfast<DemoContract>(dev.connectUrl);
        const publish = async (from: number, to: number) => {
          for (let n = from; n <= to; n++)
            await publisher.channel(`chat:${run}`).publish({ name: "Grace", text: String(n) });
        };
        try {
          await page.evaluate(async (run) => {
            window.recording = window.sdk.record(run);
            await window.recording.ready;
          }, run);
          await publish(1, 20);
          await page.waitForFunction(() => window.recording.numbers.length === 20);
          await context.setOffline(true);
          await page.waitForFunction(() => window.recording.client.state !== "connected");
          await publish(21, 60);
          await context.setOffline(false);
          await page.waitForFunction(() => window.recording.client.state === "connected");
          await publish(61, 80);
          await until("the last number arrives", () =>
            page.evaluate(() => window.recording.numbers.includes(80)),
          );
          const { numbers, gaps, stats } = await page.evaluate(() => {
            const { numbers, gaps, client } = window.recording;
            return { numbers, gaps, stats: client.stats() };
          });
          expect(numbers).toEqual(Array.from({ length: 80 }, (_, index) => index + 1));
          expect(gaps).toBe(0);
          expect(stats).toMatchObject({ reconnects: 1, lost: 0, undeclared: 0 });
        } finally {
          await publisher.close();
        }
      }),
    TEST_MS,
  );

  test(
    "keeps what is published without a network and sends it, in order, when there is one",
    () =>
      withPage(async (page, context) => {
        const run = "queued";
        await page.evaluate(async (run) => {
          window.recording = window.sdk.record(run);
          await window.recording.ready;
        }, run);
        await context.setOffline(true);
        await page.waitForFunction(() => window.recording.client.state !== "connected");
        await page.evaluate(() => {
          for (let n = 1; n <= 10; n++) void window.recording.say(n);
        });
        await context.setOffline(false);
        await page.waitForFunction(() => window.recording.numbers.length >= 10);
        expect(await page.evaluate(() => window.recording.numbers)).toEqual([
          1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
        ]);
      }),
    TEST_MS,
  );
});

describe("the React hooks in Chromium, under StrictMode", () => {
  test(
    "show each message once, one member for one component, the newest readings, and leave when they go",
    () =>
      withPage(async (page) => {
        const complaints: string[] = [];
        page.on(
          "console",
          (message) => message.type() === "error" && complaints.push(message.text()),
        );
        page.on("pageerror", (error) => complaints.push(error.message));
        const other = new Holdfast<DemoContract>(dev.connectUrl);
        const chat = other.channel("chat:strict");
        const texts = (id: string) => page.locator(`#${id} li`).allTextContents();
        try {
          await chat.publish({ name: "Grace", text: "before" });
          await other.channel("telemetry:strict").publish({ value: 1 }, { key: "depth" });
          await page.evaluate(() => window.room.show("Ada"));
          await until("history is shown", async () => (await texts("messages")).length === 1);
          for (const text of ["one", "two", "three"]) await chat.publish({ name: "Grace", text });
          await other.channel("telemetry:strict").publish({ value: 2 }, { key: "depth" });
          await until("the last message is shown", async () =>
            (await texts("messages")).includes("three"),
          );
          expect(await texts("messages")).toEqual(["before", "one", "two", "three"]);
          await until("the newest reading is shown", async () =>
            (await texts("latest")).includes("depth 2"),
          );
          await until(
            "the component is a member",
            async () => (await chat.presence.get()).length === 1,
          );
          await page.evaluate(() => window.room.show("Ada L."));
          await until("the new name is told", async () => (await texts("members"))[0] === "Ada L.");
          expect((await chat.presence.get()).map(({ data }) => data)).toEqual([{ name: "Ada L." }]);
          await page.getByRole("button", { name: "ask" }).click();
          await page.getByRole("button", { name: "told" }).waitFor();
          await page.evaluate(() => window.room.hide());
          await until("the member has left", async () => (await chat.presence.get()).length === 0);
          expect(complaints).toEqual([]);
        } finally {
          await other.close();
        }
      }, reactScript),
    TEST_MS,
  );
});
