// HoldfastSocket in a real browser: it is like the browser's own, and outlives its gateway.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { Fleet } from "../gateway/fleet.ts";
import { patience } from "../patience.ts";
import type {} from "./fixtures/socket-page.ts";
import { startBrowser, TEST_MS, until, WAIT_MS } from "./harness.ts";

let browser: Browser;
let script = "";
const started: { stop(): unknown }[] = [];

beforeAll(async () => {
  const entry = fileURLToPath(new URL("./fixtures/socket-page.ts", import.meta.url));
  const built = await Bun.build({
    ...{ entrypoints: [entry], target: "browser", conditions: ["bun"], format: "iife" },
  });
  script = (await built.outputs[0]?.text()) ?? "";
  browser = await startBrowser();
}, TEST_MS);
afterAll(async () => {
  await browser?.close();
  for (const one of started.splice(0).reverse()) one.stop();
}, TEST_MS);

/** Knows nothing of gateways; chooses `two` if it is offered, as an application does. */
function application() {
  /** Subprotocols as it was offered them. */
  const offers: (string | null)[] = [];
  const server = Bun.serve<undefined>({
    ...{ port: 0, hostname: "127.0.0.1" },
    fetch(request, self) {
      if (request.headers.get("upgrade") !== "websocket")
        return new Response("<!doctype html><title>page</title>", {
          headers: { "content-type": "text/html" },
        });
      const offer = request.headers.get("sec-websocket-protocol");
      offers.push(offer);
      const protocol = offer?.includes("two") === true ? "two" : "";
      const headers = { "Sec-WebSocket-Protocol": protocol };
      return self.upgrade(request, { headers, data: undefined }) ? undefined : new Response();
    },
    websocket: {
      message: (socket, frame) =>
        frame === "4007" ? socket.close(4007, "as asked") : void socket.send(frame),
    },
  });
  started.push({ stop: () => void server.stop(true) });
  return { port: server.port ?? 0, offers };
}

async function open(port: number): Promise<Page> {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(patience(WAIT_MS));
  await page.goto(`http://127.0.0.1:${port}/`);
  await page.addScriptTag({ content: script });
  return page;
}

test(
  "it has what the browser's WebSocket has, and says the same about wrong arguments",
  async () => {
    const page = await open(application().port);
    const found = await page.evaluate(() => {
      const names = (one: object) => Object.getOwnPropertyNames(one);
      const missing = [
        ...names(WebSocket.prototype).filter((name) => !(name in window.HoldfastSocket.prototype)),
        ...names(WebSocket).filter((name) => !(name in window.HoldfastSocket)),
      ];
      const errors = (Socket: typeof WebSocket) => {
        const said: string[] = [];
        const attempt = (task: (socket: WebSocket) => void) => {
          try {
            const socket = new Socket(`ws://${location.host}/feed`);
            task(socket);
            socket.close();
            said.push("nothing");
          } catch (error) {
            said.push((error as Error).name);
          }
        };
        attempt(() => new Socket("mailto:x"));
        attempt(() => new Socket("ws://a/#b"));
        attempt(() => new Socket(`ws://${location.host}/feed`, ["a", "a"]));
        attempt(() => new Socket(`ws://${location.host}/feed`, ["a b"]));
        attempt((socket) => socket.send("early"));
        attempt((socket) => socket.close(1001));
        attempt((socket) => socket.close(1000, "x".repeat(124)));
        attempt((socket) => socket.close(3000, "fine"));
        return said;
      };
      return { missing, ours: errors(window.HoldfastSocket), theirs: errors(WebSocket) };
    });
    // What an instance has by itself counts, too.
    expect(
      found.missing.filter((name) => !/^(CONNECTING|OPEN|CLOSING|CLOSED)$/.test(name)),
    ).toEqual([]);
    expect(found.ours).toEqual(found.theirs);
  },
  TEST_MS,
);

test(
  "before a server without a gateway it behaves as the browser's own",
  async () => {
    const page = await open(application().port);
    for (const protocols of [[], ["one", "two"]]) {
      const both = await page.evaluate(async (protocols) => {
        const run = async (Socket: typeof WebSocket) => {
          const { socket, events, got } = window.talk(Socket, protocols);
          const until = async (is: () => boolean) => {
            while (!is()) await new Promise((done) => setTimeout(done, 10));
          };
          await until(() => got.length > 2);
          socket.send(new Blob(["four"]));
          await until(() => got.some((one) => one.endsWith(" 4")));
          socket.send("4007");
          await until(() => socket.readyState === 3);
          const binary = got.find((one) => one.endsWith(" 4"));
          const { url, protocol, extensions, bufferedAmount } = socket;
          return { url, protocol, extensions, bufferedAmount, events, binary, first: got[0] };
        };
        return { ours: await run(window.HoldfastSocket), theirs: await run(WebSocket) };
      }, protocols);
      expect(both.ours).toEqual(both.theirs);
      expect(both.ours.events).toEqual(["open", "close 4007 as asked true"]);
    }
  },
  TEST_MS,
);

test(
  "two gateways end under a page that talks: each number comes back once, in order, nobody is closed",
  async () => {
    const { port, offers } = application();
    const address = `127.0.0.1:${port}`;
    const fleet = new Fleet({
      drain: { preDelayMs: 300, windowMs: 20_000 },
      routes: [
        { name: "app", profile: "stateless", slowStartMs: 0, service: { static: [address] } },
      ],
    });
    started.push(fleet);
    let now = await fleet.start();
    const page = await open(fleet.port);
    await page.evaluate(() => {
      window.talking = window.talk(window.HoldfastSocket);
    });
    const moves = () =>
      page.evaluate(() => window.talking.events.filter((event) => event === "move").length);
    await page.waitForFunction(() => window.talking.got.length > 5);
    for (const round of [1, 2]) {
      now = await fleet.replace(now);
      await until("it has moved", async () => (await moves()) === round);
    }
    await page.evaluate(() => window.talking.socket.close(3001, "bye"));
    await page.waitForFunction(() => window.talking.socket.readyState === 3);
    const { events, got, sent, protocol } = await page.evaluate(() => {
      const { socket, ...rest } = window.talking;
      return { ...rest, protocol: socket.protocol };
    });
    expect(events).toEqual(["open", "move", "move", "close 3001 bye true"]);
    expect(got).toEqual(Array.from({ length: got.length }, (_, i) => String(i)));
    expect(sent - got.length).toBeLessThan(10);
    expect([protocol, offers]).toEqual(["", [null, null, null]]);
  },
  TEST_MS,
);
