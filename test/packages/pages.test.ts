import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { openWindow, startBrowser, until } from "../browser/harness.ts";
import { API_KEY, startNode, type TestNode } from "../integration/start-node.ts";
import { patience } from "../patience.ts";
import { startProgram } from "./program.ts";
import { makeProject, type Project } from "./project.ts";

let node: TestNode;
let browser: Browser;

beforeAll(async () => {
  node = await startNode({ env: { HOLDFAST_ALLOWED_ORIGINS: "*" } });
  browser = await startBrowser();
}, patience(60_000));
afterAll(async () => {
  await browser?.close();
  await node?.node.stop();
}, patience(120_000));

/** Serves a folder's files on loopback until its scope ends. */
function serve(folder: string): Disposable & { readonly url: string } {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => new Response(Bun.file(join(folder, new URL(request.url).pathname))),
  });
  return { url: `http://127.0.0.1:${server.port}`, [Symbol.dispose]: () => void server.stop(true) };
}

const nodeOf = () => `node=${encodeURIComponent(node.url)}`;
const items = "[...document.querySelectorAll('li')].map((item) => item.textContent)";

test(
  "a page that Vite built runs with the client and its hooks",
  async () => {
    await using project = await makeProject({
      ours: ["@holdfast/client"],
      others: {
        react: "19.3.1",
        "react-dom": "19.3.1",
        vite: "8.4.0",
        "@vitejs/plugin-react": "6.3.0",
      },
      fixture: "vite",
    });
    await project.run(["node", project.installed("vite/bin/vite.js"), "build"], {
      timeoutMs: 90_000,
    });
    using server = serve(join(project.folder, "dist"));
    const context = await browser.newContext();
    const { page, complaints } = await openWindow(context, `${server.url}/index.html?${nodeOf()}`);
    await page.waitForSelector("main[data-state=connected]");
    await page.click("button");
    await until(
      "the message is shown",
      async () => (await page.evaluate<string[]>(items)).length > 0,
    );
    expect(await page.evaluate<string[]>(items)).toEqual(["hello"]);
    expect(complaints).toEqual([]);
    await context.close();
  },
  patience(200_000),
);

test(
  "one file and <script type=module> are enough for a page",
  async () => {
    await using project = await makeProject({ ours: ["@holdfast/client"], fixture: "browser" });
    const file = project.installed("@holdfast/client/dist/browser.js");
    await project.write({ "holdfast.js": await Bun.file(file).text() });
    using server = serve(project.folder);
    const context = await browser.newContext();
    const { page, complaints } = await openWindow(context, `${server.url}/page.html?${nodeOf()}`);
    await until(
      "the message is shown",
      async () => (await page.evaluate<string[]>(items)).length > 0,
    );
    expect(await page.evaluate<string[]>(items)).toEqual(["from one file"]);
    expect(complaints).toEqual([]);
    await context.close();
  },
  patience(120_000),
);

describe("Next.js with the App Router", () => {
  let project: Project;
  beforeAll(async () => {
    project = await makeProject({
      ours: ["@holdfast/client", "@holdfast/api"],
      others: { next: "16.4.6", react: "19.3.1", "react-dom": "19.3.1" },
      fixture: "next",
    });
    await project.run(["node", project.installed("next/dist/bin/next"), "build"], {
      timeoutMs: 180_000,
      env: { NEXT_TELEMETRY_DISABLED: "1" },
    });
  }, patience(300_000));
  afterAll(() => project?.[Symbol.asyncDispose](), patience(120_000));

  test(
    "a server component reads by the API, a client component goes on live",
    async () => {
      await fetch(`${node.httpUrl}/api/v1/publish`, {
        method: "POST",
        headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
        body: JSON.stringify({ channel: "chat:next", data: { text: "before" } }),
      });
      const next = ["node", project.installed("next/dist/bin/next"), "start"];
      await using app = await startProgram(
        project,
        [...next, "--hostname", "127.0.0.1", "--port", "0"],
        {
          env: { APP_NODE: node.httpUrl, APP_KEY: API_KEY, APP_CONNECT: node.url },
          ready: /(http:\/\/127\.0\.0\.1:\d+)[\s\S]*Ready in/,
        },
      );
      const url = app.said;
      expect(await (await fetch(url)).text()).toContain("before");
      const context = await browser.newContext();
      const { page, complaints } = await openWindow(context, url);
      await until(
        "history is shown",
        async () => (await page.evaluate<string[]>(items)).length > 0,
      );
      await fetch(`${node.httpUrl}/api/v1/publish`, {
        method: "POST",
        headers: { authorization: `Bearer ${API_KEY}`, "content-type": "application/json" },
        body: JSON.stringify({ channel: "chat:next", data: { text: "after" } }),
      });
      await until("news are shown", async () => (await page.evaluate<string[]>(items)).length > 1);
      expect(await page.evaluate<string[]>(items)).toEqual(["before", "after"]);
      expect(await page.textContent("#server")).toBe("before");
      expect(complaints).toEqual([]);
      await context.close();
    },
    patience(120_000),
  );
});
