// Owns: the page over `holdfast dev --nodes 3`, end to end: the strip of nodes in two windows while
// every node is replaced.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import {
  type DevProcess,
  openWindow,
  startBrowser,
  startDev,
  TEST_MS,
  until,
  WAIT_MS,
} from "./harness.ts";
import { by, connected, text } from "./page.ts";

let dev: DevProcess;
let browser: Browser;

beforeAll(async () => {
  [dev, browser] = await Promise.all([startDev(["--nodes", "3"]), startBrowser()]);
}, TEST_MS);

afterAll(async () => {
  await browser?.close();
  await dev?.stop();
}, TEST_MS);

interface Shown {
  readonly name: string;
  readonly revision: string;
  readonly state: string;
  readonly here: boolean;
}

test(
  "shows three nodes and the one that the window is on, and how all are replaced; nothing is lost, and nobody is anything but connected",
  async () => {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
    const [a, b] = [await openWindow(context, dev.url), await openWindow(context, dev.url)];
    const pages = [a.page, b.page];
    await Promise.all(pages.map(connected));
    for (const page of pages) {
      const nodes = await until("three nodes are shown, one of them as this window's", async () => {
        const shown = await nodesOf(page);
        return shown.length === 3 && shown.some(({ here }) => here) ? shown : undefined;
      });
      expect(nodes.map(({ name }) => name)).toEqual(["node-a1", "node-b1", "node-c1"]);
      expect(nodes.every(({ state, revision }) => state === "ready" && revision === "dev-1")).toBe(
        true,
      );
      await until("the window is marked on the node that it is on", () => isMarked(page));
    }
    const heightBefore = await by(a.page, "fleet").evaluate((strip) => strip.clientHeight);

    expect(await text(a.page, "restart")).toBe("Roll the nodes");
    await by(a.page, "restart").click();
    const during = await until("an old node drains beside a new one", async () => {
      const shown = await nodesOf(b.page);
      return shown.length > 3 && shown.some(({ state }) => state === "draining")
        ? shown
        : undefined;
    });
    expect(new Set(during.map(({ revision }) => revision))).toEqual(new Set(["dev-1", "dev-2"]));
    expect(await by(b.page, "fleet").evaluate((strip) => strip.clientHeight)).toBe(heightBefore);

    for (const page of pages) {
      await until(
        "all nodes are of the new revision",
        async () => {
          const shown = await nodesOf(page);
          return (
            shown.map(({ name }) => name).join() === "node-a2,node-b2,node-c2" &&
            shown.every(({ state }) => state === "ready")
          );
        },
        WAIT_MS * 2,
      );
      await until("the window is marked on the node that it is on", () => isMarked(page));
      expect(await text(page, "verdict")).toContain(
        "0 missing, 0 duplicated, nobody left the room.",
      );
      expect(await text(page, "verdict")).toContain("The connection stayed connected.");
      expect(await text(page, "from-node")).toMatch(/^node-[abc]1$/);
      expect(await text(page, "to-node")).toBe(await text(page, "node"));
    }
    await a.page.getByRole("button", { name: "Roll the nodes" }).waitFor();
    expect([...a.complaints, ...b.complaints]).toEqual([]);
    await context.close();
  },
  TEST_MS,
);

/** The strip of nodes and the status line say the same; they are refreshed apart. */
async function isMarked(page: Page): Promise<boolean> {
  const here = (await nodesOf(page)).filter((node) => node.here).map(({ name }) => name);
  return here.length === 1 && here[0] === (await text(page, "node"));
}

function nodesOf(page: Page): Promise<readonly Shown[]> {
  return page.locator(".fleet .node").evaluateAll((nodes) =>
    nodes.map((node) => ({
      name: node.querySelector("dt code")?.textContent ?? "",
      revision: node.querySelector("dd code")?.textContent ?? "",
      state: node.getAttribute("data-state") ?? "",
      here: node.getAttribute("aria-current") === "true",
    })),
  );
}
