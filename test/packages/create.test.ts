import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { openWindow, startBrowser, until } from "../browser/harness.ts";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import { startProgram } from "./program.ts";
import { install, makeProject, type Project, projectIn, tarballOf } from "./project.ts";

let around: Project;
let app: Project;

beforeAll(async () => {
  around = await makeProject({ ours: ["create-holdfast"] });
  const { out } = await around.run(["npx", "create-holdfast", "my-chat", "--no-install"]);
  expect(out).toContain("Written: my-chat");
  // The folder of the command is gone by then: what was created must not need it.
  rmSync(around.installed("."), { recursive: true });
  app = projectIn(join(around.folder, "my-chat"));
  const ours = ["holdfast", "@holdfast/client", "@holdfast/contract", "@holdfast/api"];
  await install(app, ours.map(tarballOf));
}, patience(240_000));
afterAll(() => around?.[Symbol.asyncDispose](), patience(120_000));

test(
  "the created project's tests pass",
  async () => {
    const { out } = await app.run(["npm", "test"], { timeoutMs: 90_000 });
    expect(out).toMatch(/^# pass 3$/m);
    expect(out).toMatch(/^# fail 0$/m);
  },
  patience(100_000),
);

test(
  "it builds, and what is built serves the page",
  async () => {
    await app.run(["npm", "run", "build"], { timeoutMs: 120_000 });
    const port = String(await freePort());
    const secret = "a secret of 32 characters, or of some more";
    await using server = await startProgram(app, ["node", "dist/server/main.js"], {
      env: { PORT: port, API_KEY: "k", JWT_SECRET: secret },
      ready: /listens on port (\d+)/,
    });
    const page = await (await fetch(`http://localhost:${port}/`)).text();
    const script = /src="(\/assets\/[^"]+\.js)"/.exec(page)?.[1] ?? "";
    expect((await fetch(`http://localhost:${port}${script}`)).headers.get("content-type")).toBe(
      "text/javascript",
    );
    expect((await fetch(`http://localhost:${port}/../package.json`)).status).toBe(404);
    const token = await fetch(`http://localhost:${port}/api/token`, {
      method: "POST",
      body: "ada",
    });
    expect((await token.text()).split(".")).toHaveLength(3);
    expect(await server.end()).toBe(0);
  },
  patience(150_000),
);

test(
  "npm run dev serves a page on which two people chat, also while the contract changes",
  async () => {
    const [port, server, node] = [await freePort(), await freePort(), await freePort()].map(
      String,
    ) as [string, string, string];
    await using dev = await startProgram(app, ["node", "scripts/dev.mjs"], {
      env: { PORT: port, SERVER_PORT: server, HOLDFAST_PORT: node },
      ready: /(?=[\s\S]*Local: )(?=[\s\S]*holdfast dev)(?=[\s\S]*the back end listens)/,
    });
    const browser: Browser = await startBrowser();
    try {
      const [ada, grace] = await Promise.all([join_("ada"), join_("grace")]);
      await say(ada, "hello");
      await shows(grace, "ada hello");
      await say(grace, "good morning");
      await shows(ada, "grace good morning");

      const contract = Bun.file(join(app.folder, "holdfast.config.ts"));
      await Bun.write(contract, (await contract.text()).replace("max(500)", "max(400)"));
      await until("the node was restarted", () => /restarted/.test(dev.output()));
      await say(ada, "still here");
      await shows(grace, "ada still here");
      for (const page of [ada, grace]) expect(await page.evaluate("states")).toEqual(["connected"]);
    } finally {
      await browser.close();
      expect(await dev.end()).toBe(0);
    }
    await expect(fetch(`http://localhost:${node}/`)).rejects.toThrow();

    async function join_(name: string): Promise<Page> {
      const context = await browser.newContext();
      const { page } = await openWindow(context, `http://localhost:${port}/`);
      await page.fill("input", name);
      await page.click("button");
      await page.waitForSelector("main[data-state=connected]");
      // Every state that React shows from now on.
      await page.evaluate(`{
      const main = document.querySelector("main");
      globalThis.states = [main.dataset.state];
      new MutationObserver(() => states.push(main.dataset.state)).observe(main, { attributes: true });
    }`);
      return page;
    }
  },
  patience(120_000),
);

async function say(page: Page, text: string): Promise<void> {
  await page.fill("input", text);
  await page.click("button");
}

async function shows(page: Page, text: string): Promise<void> {
  await until(`"${text}" is shown`, async () =>
    (
      await page.evaluate<string[]>(
        "[...document.querySelectorAll('li')].map((item) => item.textContent)",
      )
    ).includes(text),
  );
}
