import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { openWindow, startBrowser, until } from "../browser/harness.ts";
import { patience } from "../patience.ts";
import { startServer, stopServers, type TestServer } from "../redis/servers.ts";
import { type Program, startProgram } from "./program.ts";
import { makeProject, type Project } from "./project.ts";

const SECRET = "a secret of the application with 32 characters";
const KEY = "application-test-key-0123456789abcdef";

/** What the page of the fixture keeps. */
interface Seen {
  readonly states: readonly string[];
  readonly messages: readonly (readonly [offset: number, text: string, user: string])[];
  readonly gaps: readonly unknown[];
  readonly errors: readonly string[];
}

let redis: TestServer;
let browser: Browser;
let project: Project;
let port = 0;
const running = new Set<Program>();

beforeAll(async () => {
  const packages = ["holdfast", "@holdfast/client", "@holdfast/contract", "@holdfast/api"];
  [redis, browser, project] = await Promise.all([
    startServer({ persistence: "aof" }),
    startBrowser(),
    makeProject({
      ours: packages,
      others: { jose: "6.2.17", zod: "4.6.7" },
      fixture: "application",
    }),
  ]);
}, patience(200_000));
afterAll(async () => {
  await browser?.close();
  for (const program of running) await program.end("SIGKILL");
  await stopServers(redis === undefined ? [] : [redis]);
  await project?.[Symbol.asyncDispose]();
}, patience(120_000));

/** `holdfast serve` as production runs it: Bun, tokens, Redis. */
async function startNode(): Promise<Program> {
  const program = project.installed("holdfast/dist/main.js");
  const args = ["serve", "--host", "127.0.0.1", "--port", String(port), "--reuse-port", "true"];
  const node = await startProgram(
    project,
    [process.execPath, program, ...args, "--internal-host", "127.0.0.1", "--internal-port", "0"],
    {
      env: {
        HOLDFAST_CONTRACT: "holdfast.config.ts",
        HOLDFAST_ALLOWED_ORIGINS: "*",
        HOLDFAST_API_KEYS: JSON.stringify([{ name: "backend", key: KEY, scopes: ["*"] }]),
        HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET,
        HOLDFAST_AUTH_RESUME_SECRET: "a resume secret of the application's nodes",
        HOLDFAST_BROKER_URL: redis.url,
        HOLDFAST_DRAIN_PRE_DELAY_MS: "200",
        HOLDFAST_DRAIN_WINDOW_MS: "3000",
      },
      ready: /"event":"node_listening".*"url":"http:\/\/127\.0\.0\.1:(\d+)"/,
    },
  );
  port = Number(node.said);
  running.add(node);
  return node;
}

test(
  "a page and a back end, made from tarballs alone, chat through restarts of their node",
  async () => {
    let node = await startNode();
    await using backend = await startProgram(project, ["node", "backend.mjs"], {
      env: { NODE_URL: `http://127.0.0.1:${port}`, API_KEY: KEY, JWT_SECRET: SECRET },
      ready: /listening on (\d+)/,
    });
    const site = `http://127.0.0.1:${backend.said}`;
    const context = await browser.newContext();
    const connect = encodeURIComponent(`ws://127.0.0.1:${port}/connect`);
    const { page } = await openWindow(context, `${site}/?user=ada&node=${connect}`);
    const seen = () => page.evaluate<Seen>("seen");
    await until("the page is connected", async () => (await seen()).states.at(-1) === "connected");

    // The one hears the other, and each knows who spoke.
    await page.evaluate('say("hello from ada")');
    await say(site, "hello from the shop");
    await until("both are shown", async () => (await seen()).messages.length === 2);
    const heard = (await (await fetch(`${site}/heard`)).json()) as {
      data: { text: string };
      user: string;
    }[];
    const expected = [
      ["hello from ada", "ada"],
      ["hello from the shop", "shop"],
    ];
    expect(heard.map(({ data, user }) => [data.text, user])).toEqual(expected);
    expect((await seen()).messages.map(([, ...rest]) => rest)).toEqual(expected as never);

    const talk = startTalking(site, page);
    try {
      // A new node listens before the old one stops: the page notices nothing.
      await talk.untilMore(10);
      const next = await startNode();
      expect(await node.end("SIGTERM")).toBe(0);
      node = next;
      await talk.untilMore(10);
      expect((await seen()).states).toEqual(
        ["connecting", "connected"].slice(-(await seen()).states.length),
      );

      // The only node stops, and starts again a little later.
      expect(await node.end("SIGTERM")).toBe(0);
      await Bun.sleep(1_000);
      node = await startNode();
      await talk.untilMore(10);

      // The only node dies, and starts again.
      await node.end("SIGKILL");
      node = await startNode();
      await talk.untilMore(10);
    } finally {
      await talk.stop();
    }
    const total = 2 + talk.said();
    await until("everything is shown", async () => (await seen()).messages.length >= total, 30_000);
    const { states, messages, gaps } = await seen();
    expect(messages.map(([offset]) => offset)).toEqual(
      Array.from({ length: total }, (_, at) => at + 1),
    );
    expect(
      messages
        .map(([, text]) => text)
        .slice(2)
        .toSorted(),
    ).toEqual(talk.texts().toSorted());
    expect({ gaps, last: states.at(-1), failed: states.includes("failed") }).toEqual({
      gaps: [],
      last: "connected",
      failed: false,
    });
    expect(states).toContain("reconnecting");
    await context.close();
    expect(await node.end("SIGTERM")).toBe(0);
  },
  patience(180_000),
);

async function say(site: string, text: string): Promise<void> {
  const answer = await fetch(`${site}/say?text=${encodeURIComponent(text)}`, { method: "POST" });
  if (!answer.ok) throw new Error(await answer.text());
}

/** The back end and the page say numbers, one after the other. A failure ends the test. */
function startTalking(site: string, page: Page) {
  const said: string[] = [];
  let stopped = false;
  const talk = async (from: string, speak: (text: string) => Promise<unknown>) => {
    for (let n = 1; !stopped && n < 2_000; n++) {
      const text = `${from} ${n}`;
      await speak(text);
      said.push(text);
      await Bun.sleep(40);
    }
  };
  const talking = Promise.all([
    talk("shop", (text) => say(site, text)),
    talk("ada", (text) => page.evaluate(`say(${JSON.stringify(text)})`)),
  ]);
  talking.catch(() => {});
  return {
    said: () => said.length,
    texts: () => [...said],
    async untilMore(count: number): Promise<void> {
      const wanted = said.length + count;
      await Promise.race([
        talking,
        until(`${count} more are said`, () => said.length >= wanted, 40_000),
      ]);
    },
    async stop(): Promise<void> {
      stopped = true;
      await talking;
    },
  };
}
