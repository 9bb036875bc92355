// Owns: readers that nobody here wrote, over two nodes and Redis, while nodes are replaced and
// killed: EventSource in Chromium, curl. Beside them readers by fetch. Each event is accounted for.
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { EventReader } from "../integration/event-reader.ts";
import { patience } from "../patience.ts";
import {
  accountOf,
  CLEAN,
  type EventsFleet,
  ROOM,
  startEventsFleet,
  untilPublished,
} from "./events-fleet.ts";
import { startBrowser, TEST_MS, until } from "./harness.ts";

let fleet: EventsFleet;
let browser: Browser;

beforeAll(async () => {
  [fleet, browser] = await Promise.all([startEventsFleet(2), startBrowser()]);
}, TEST_MS);

afterAll(async () => {
  await browser?.close();
  await fleet?.stop();
}, TEST_MS);

interface Told {
  readonly offset: number;
  readonly n: number;
}

/** Any reader: what it was told, gaps, how often it connected. */
interface Reader {
  readonly name: string;
  look(): Promise<{
    readonly told: readonly Told[];
    readonly gaps: number;
    readonly opens: number;
  }>;
  stop(): unknown;
}

const numberedOf = (data: { offset: number; data: number }): Told => ({
  offset: data.offset,
  n: data.data,
});

function byFetch(number: number): Reader {
  const reader = new EventReader(() => `${fleet.url}/events?channel=${ROOM}&last=1`);
  return {
    name: `fetch ${number}`,
    look: async () => ({
      told: reader.of("publication").map(({ data }) => numberedOf(data)),
      gaps: reader.of("gap").length,
      opens: reader.attempts,
    }),
    stop: () => reader.stop(),
  };
}

/** A shell's loop: curl, then curl again with the last id. */
function byCurl(): Reader {
  const events: { event: string; id?: string; data: { offset: number; data: number } }[] = [];
  let opens = 0;
  let isOver = false;
  let child: Bun.Subprocess | undefined;
  const running = (async () => {
    let lastId = "";
    while (!isOver) {
      opens += 1;
      const curl = Bun.spawn(
        [
          ...["curl", "-sN", "--max-time", "60", "-H", "Accept: application/x-ndjson"],
          ...(lastId === "" ? [] : ["-H", `Last-Event-ID: ${lastId}`]),
          `${fleet.url}/events?channel=${ROOM}&last=1`,
        ],
        { stdout: "pipe", stderr: "ignore" },
      );
      child = curl;
      let text = "";
      for await (const chunk of curl.stdout) {
        text += new TextDecoder().decode(chunk);
        const lines = text.split("\n");
        text = lines.pop() ?? "";
        for (const line of lines) {
          if (!line.startsWith('{"event"')) continue;
          events.push(JSON.parse(line));
          lastId = events.at(-1)?.id ?? lastId;
        }
      }
      await Bun.sleep(50);
    }
  })();
  return {
    name: "curl",
    look: async () => ({
      told: events.filter((one) => one.event === "publication").map(({ data }) => numberedOf(data)),
      gaps: events.filter((one) => one.event === "gap").length,
      opens,
    }),
    stop: () => {
      isOver = true;
      child?.kill();
      return running;
    },
  };
}

async function byEventSource(page: Page, number: number): Promise<Reader> {
  await page.evaluate(
    ({ at, number: key }) => {
      const told: unknown[] = [];
      const state = { told, gaps: 0, opens: 0, closed: false };
      (globalThis as unknown as Record<string, unknown>)[`reader${key}`] = state;
      const source = new EventSource(at);
      source.onopen = () => {
        state.opens += 1;
      };
      source.onerror = () => {
        state.closed = source.readyState === EventSource.CLOSED;
      };
      source.addEventListener("publication", ({ data }) => {
        const { offset, data: n } = JSON.parse(data);
        told.push({ offset, n });
      });
      source.addEventListener("gap", () => {
        state.gaps += 1;
      });
    },
    { at: `${fleet.url}/events?channel=${ROOM}&last=1`, number },
  );
  return {
    name: `EventSource ${number}`,
    look: async () => {
      const state = await page.evaluate(
        (key) => (globalThis as unknown as Record<string, unknown>)[`reader${key}`],
        number,
      );
      const { closed, ...rest } = state as Awaited<ReturnType<Reader["look"]>> & {
        closed: boolean;
      };
      expect(closed).toBe(false);
      return rest;
    },
    stop: () => {},
  };
}

test(
  "EventSource, curl and fetch get each publication once, in order, while nodes are replaced and killed",
  async () => {
    const page = await browser.newPage();
    // A page of the node's own host: what it says does not matter.
    await page.goto(fleet.url);
    const readers: Reader[] = [
      ...(await Promise.all([1, 2, 3].map((number) => byEventSource(page, number)))),
      ...[1, 2, 3, 4].map(byFetch),
      byCurl(),
    ];
    const begun = async (reader: Reader) => (await reader.look()).told.length > 0;
    await until("all read", async () => (await Promise.all(readers.map(begun))).every(Boolean));
    for (let turn = 0; turn < 2; turn++) {
      await untilPublished(fleet, 50);
      expect(await fleet.replaceOldest()).toBe(0);
    }
    await untilPublished(fleet, 50);
    await fleet.killOldest();
    await untilPublished(fleet, 50);
    expect(await fleet.replaceOldest()).toBe(0);
    await untilPublished(fleet, 100);
    await fleet.stopPublishing();
    const last = fleet.acknowledged.size - 1;
    const lines: string[] = [];
    for (const reader of readers) {
      await until(
        `${reader.name} has the last one`,
        async () => (await reader.look()).told.some(({ n }) => n === last),
        60_000,
      );
      const { told, gaps, opens } = await reader.look();
      const account = accountOf(told, fleet.acknowledged, gaps);
      lines.push(`${reader.name}: ${told.length} received, ${opens} connections`);
      expect({ reader: reader.name, ...account }).toEqual({ reader: reader.name, ...CLEAN });
      expect(opens).toBeGreaterThan(1);
    }
    console.log(`${fleet.acknowledged.size} published; ${lines.join("; ")}`);
    await Promise.all(readers.map((reader) => reader.stop()));
  },
  TEST_MS + patience(120_000),
);
