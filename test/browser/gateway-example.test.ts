// Owns: the page of `npm run example:gateway`, end to end: a real gateway, real servers of others,
// real windows; servers are replaced and killed under them.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { openWindow, startBrowser, TEST_MS, until, type Window } from "./harness.ts";
import { by, text } from "./page.ts";
import { type Example, startExample } from "./start-example.ts";

let example: Example;
let browser: Browser;
let context: BrowserContext;
let a: Window & Sockets;
let b: Window & Sockets;

beforeAll(async () => {
  [example, browser] = await Promise.all([startExample(), startBrowser()]);
  context = await browser.newContext({ viewport: { width: 1280, height: 1000 } });
  [a, b] = [await open(), await open()];
}, TEST_MS);

afterAll(async () => {
  await browser?.close();
  await example?.stop();
}, TEST_MS);

interface Sockets {
  /** Sockets of this window that were closed: those of the gateway, and those of the balancer. */
  readonly closed: { held: number; plain: number };
  /** What the game was sent through the gateway. */
  readonly inputs: string[];
}

/** A window whose five sockets carry frames. */
async function open(): Promise<Window & Sockets> {
  const window = await openWindow(context, "about:blank");
  const closed = { held: 0, plain: 0 };
  const inputs: string[] = [];
  window.page.on("websocket", (socket) => {
    const kind = new URL(socket.url()).port === new URL(example.url).port ? "held" : "plain";
    socket.on("close", () => {
      closed[kind] += 1;
    });
    if (kind === "held" && socket.url().includes("/game"))
      socket.on("framesent", ({ payload }) => inputs.push(`${payload}`));
  });
  await window.page.goto(example.url);
  await until("everybody has a server", async () =>
    (await servers(window.page)).every((name) => /^v\d+ · \d+$/.test(name)),
  );
  return { ...window, closed, inputs };
}

const CARDS = ["ada-editor", "grace-editor", "ada-arena", "alan-editor", "alan-arena"];
const part = (page: Page, card: string, what: string): Promise<string> =>
  by(page, card).locator(`.${what}`).innerText();
/** Who serves each card: version and process. */
const servers = (page: Page): Promise<readonly string[]> =>
  Promise.all(CARDS.map((card) => part(page, card, "server")));
const letter = (page: Page, person: string): Promise<string> =>
  by(page, `${person}-text`).inputValue();
const isRunning = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
const pidOf = (server: string): number => Number(server.split(" · ")[1]);

/** Presses, types in both editors of one window until it is over, and gives what was typed. */
async function replaceWhileTyping(button: "deploy" | "kill"): Promise<string> {
  await by(a.page, button).click();
  let typed = "";
  await until("the servers are replaced and the sockets are quiet again", async () => {
    for (const [person, letter] of [
      ["ada", "a"],
      ["grace", "g"],
    ] as const) {
      await by(a.page, `${person}-text`).pressSequentially(letter);
      typed += letter;
    }
    return text(a.page, "verdict");
  });
  return typed;
}
const sorted = (letters: string): string => [...letters].sort().join("");

/** All six editors have the same, and it is this. */
async function agree(letters: string): Promise<void> {
  await until("all editors have the same text", async () => {
    const pairs = [a, b].flatMap(({ page }) => ["ada", "grace", "alan"].map((one) => [page, one]));
    const texts = await Promise.all(pairs.map(([page, one]) => letter(page as Page, String(one))));
    return new Set(texts).size === 1 && texts[0]?.length === letters.length;
  });
  expect(sorted(await letter(a.page, "ada"))).toBe(sorted(letters));
}

describe("a new version of the servers", () => {
  let typed = "";
  test(
    "comes while two write and one sails: no socket of the gateway closes, nothing is missing, and the page says how long it paused",
    async () => {
      const before = await servers(a.page);
      expect(before.every((name) => name.startsWith("v1"))).toBe(true);
      await until("Ada's boat has a buoy", async () =>
        Number(await part(a.page, "ada-arena", "score")),
      );
      const score = Number(await part(a.page, "ada-arena", "score"));
      const count = Number(await part(a.page, "grace-editor", "count"));
      typed = await replaceWhileTyping("deploy");
      const after = await servers(a.page);
      expect(after.every((name) => name.startsWith("v2"))).toBe(true);
      for (const name of before) expect(isRunning(pidOf(name))).toBe(false);
      for (const name of after) expect(isRunning(pidOf(name))).toBe(true);
      await agree(typed);
      // The game goes on with the same score, and the text with the same count.
      expect(Number(await part(a.page, "ada-arena", "score"))).toBeGreaterThanOrEqual(score);
      await until(
        "Ada gets another buoy",
        async () => Number(await part(a.page, "ada-arena", "score")) > score,
      );
      expect(Number(await part(a.page, "grace-editor", "count"))).toBeGreaterThan(count);
      for (const { page, closed } of [a, b]) {
        const verdict = await until("this window has measured it", () => text(page, "verdict"));
        expect(verdict).toMatch(
          /^Behind the gateway, nobody was disconnected\. The longest time without a frame was [\d,]+ ms \([\d,]+ ms before it\)\./,
        );
        expect(verdict).toMatch(/Without it, \d+ sockets? w(as|ere) closed\./);
        expect(closed.held).toBe(0);
        expect(closed.plain).toBeGreaterThanOrEqual(2);
        expect(await part(page, "ada-arena", "missed")).toBe("0");
        for (const card of CARDS.slice(0, 3)) expect(await part(page, card, "closes")).toBe("0");
      }
    },
    TEST_MS,
  );

  test(
    "is not needed: after kill -9 the same version runs again, and the text comes from its editors",
    async () => {
      const before = await servers(a.page);
      typed += await replaceWhileTyping("kill");
      const after = await servers(a.page);
      expect(after.every((name) => name.startsWith("v2"))).toBe(true);
      expect(after.filter((name) => before.includes(name))).toEqual([]);
      await agree(typed);
      const verdict = await text(a.page, "verdict");
      expect(verdict).toContain("Behind the gateway, nobody was disconnected.");
      expect(verdict).toMatch(/Without it, \d+ sockets? w(as|ere) closed\./);
      for (const { closed } of [a, b]) {
        expect(closed.held).toBe(0);
        expect(closed.plain).toBeGreaterThanOrEqual(4);
      }
    },
    TEST_MS,
  );
});

describe("the keyboard alone", () => {
  test(
    "asks for a new version, steers the boat, and stops the robots",
    async () => {
      const { page, inputs } = a;
      await by(page, "deploy").focus();
      await page.keyboard.press("Tab");
      expect(await focused(page)).toBe("kill");
      await page.keyboard.press("Shift+Tab");
      await page.keyboard.press("Enter");
      await until(
        "it begins",
        async () => (await by(page, "deploy").getAttribute("aria-disabled")) === "true",
      );
      // A second press changes nothing.
      await page.keyboard.press("Enter");
      await until("v3 serves", async () => (await text(page, "step")).startsWith("v3 serves"));
      await page.getByRole("button", { name: "Robots" }).focus();
      await page.keyboard.press("Space");
      await until("the boat rests", () => inputs.at(-1)?.endsWith('"heading":[0,0]}'));
      await by(page, "ada-arena").getByRole("application").focus();
      await page.keyboard.down("ArrowRight");
      await until("the boat goes east", () => inputs.at(-1)?.endsWith('"heading":[1,0]}'));
      await page.keyboard.up("ArrowRight");
      await until("the boat rests", () => inputs.at(-1)?.endsWith('"heading":[0,0]}'));
    },
    TEST_MS,
  );

  test(
    "is not needed: a boat goes where a pointer is pressed",
    async () => {
      const { page, inputs } = a;
      const sea = by(page, "ada-arena").getByRole("application");
      await sea.scrollIntoViewIfNeeded();
      const box = await sea.boundingBox();
      if (!box) throw new Error("the arena has no box");
      await page.mouse.move(box.x + box.width - 2, box.y + 2);
      await page.mouse.down();
      await until("the boat goes to the north-east", () => {
        const [east = 0, south = 0] = JSON.parse(inputs.at(-1) ?? "").heading as number[];
        return east > 0 && south < 0;
      });
      await page.mouse.up();
      await until("the boat rests", () => inputs.at(-1)?.endsWith('"heading":[0,0]}'));
    },
    TEST_MS,
  );

  test("finds a name at each thing that can be pressed or typed into", async () => {
    const names = await a.page.evaluate(() =>
      [...document.querySelectorAll("button, a, textarea, [tabindex]")].map(
        (one) => one.getAttribute("aria-label") ?? one.textContent?.trim() ?? "",
      ),
    );
    expect(names.length).toBeGreaterThanOrEqual(10);
    expect(names.filter((name) => name === "")).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });
});

const focused = (page: Page): Promise<string | undefined> =>
  page.evaluate(() => document.activeElement?.id);

describe("a narrow and a wide screen", () => {
  for (const width of [360, 820, 1920]) {
    test(
      `of ${width} px has no horizontal scrolling, in light and in dark`,
      async () => {
        await b.page.setViewportSize({ width, height: 900 });
        for (const colorScheme of ["light", "dark"] as const) {
          await b.page.emulateMedia({ colorScheme });
          const scroll = await b.page.evaluate(() => document.documentElement.scrollWidth);
          expect(scroll).toBeLessThanOrEqual(width);
        }
      },
      TEST_MS,
    );
  }
});

test("the console has nothing but what the browser says of sockets without the gateway", () => {
  const plain = /WebSocket connection to 'ws:\/\/localhost:(\d+)\//;
  const others = [...a.complaints, ...b.complaints].filter((words) => {
    const [, port] = plain.exec(words) ?? [];
    return port === undefined || port === new URL(example.url).port;
  });
  expect(others).toEqual([]);
});

test(
  "Ctrl-C ends everything: the page, the gateway and the servers",
  async () => {
    const pids = (await servers(a.page)).map(pidOf);
    expect(await example.interrupt()).toBe(0);
    await until("the servers have ended", () => !pids.some(isRunning));
    expect(await fetch(example.url).catch(() => "nobody answers")).toBe("nobody answers");
  },
  TEST_MS,
);
