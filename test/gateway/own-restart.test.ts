// Real gateway processes behind one address, which end by SIGTERM: pages with a HoldfastSocket go
// to the other one, whatever library they use it through.
import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HoldfastSocket } from "@holdfast/client/socket";
import { type Balancer, startBalancer } from "@holdfast/relay";
import { WebsocketProvider } from "y-websocket";
import * as Y from "yjs";
import { freePort } from "../free-port.ts";
import { type RunningCommand, startCommand } from "../integration/command.ts";
import { patience } from "../patience.ts";
import { startProgram, until } from "./bed.ts";

setDefaultTimeout(patience(60_000));

const FOLDER = mkdtempSync(join(tmpdir(), "holdfast-restart-"));
const started: { stop(): unknown }[] = [];
afterAll(() => {
  for (const one of started.splice(0).reverse()) one.stop();
  rmSync(FOLDER, { recursive: true, force: true });
});

interface Gateway {
  readonly id: string;
  readonly command: RunningCommand;
  metric(series: string): Promise<number>;
}

/** Starts gateways of one configuration, and replaces them, behind one address. */
class Fleet {
  readonly #config: object;
  readonly #balancer: Balancer = startBalancer({ checkEveryMs: 20 });
  readonly gateways: Gateway[] = [];

  constructor(config: object) {
    this.#config = config;
    started.push({ stop: () => this.#balancer.stop() });
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#balancer.port}/`;
  }

  async start(): Promise<Gateway> {
    const [port, adminPort] = [await freePort(), await freePort()];
    const id = `gateway-${this.gateways.length}`;
    const file = join(FOLDER, `${id}-${port}.json`);
    const host = "127.0.0.1";
    writeFileSync(
      file,
      JSON.stringify({ host, port, admin: { host, port: adminPort }, ...this.#config }),
    );
    const command = startCommand(["gateway", "--config", file], { cwd: FOLDER });
    started.push({ stop: () => command.signal("SIGKILL") });
    const admin = `http://${host}:${adminPort}`;
    this.#balancer.add({ id, host, port, readyUrl: `${admin}/readyz` });
    await this.#balancer.whenReady(id, patience(20_000));
    const gateway: Gateway = {
      ...{ id, command },
      metric: async (series) => {
        const page = await (await fetch(`${admin}/metrics`)).text();
        const line = page.split("\n").find((one) => one.startsWith(`${series} `));
        return Number(line?.split(" ").at(-1));
      },
    };
    this.gateways.push(gateway);
    return gateway;
  }

  /** Starts another one, and ends this one with SIGTERM. */
  async replace(old: Gateway): Promise<Gateway> {
    const fresh = await this.start();
    old.command.signal("SIGTERM");
    await until("the balancer has noticed", () =>
      this.#balancer.backends().some(({ id, ready }) => id === old.id && !ready),
    );
    expect(await old.command.ended()).toBe(0);
    this.#balancer.remove(old.id);
    return fresh;
  }
}

const config = (profile: unknown, address: string) => ({
  drain: { preDelayMs: 500, windowMs: 20_000 },
  routes: [{ name: "app", profile, slowStartMs: 0, service: { static: [address] } }],
});

/** Answers each message with its own number and the socket's. */
function echo(): { readonly address: string; readonly sockets: string[][] } {
  const sockets: string[][] = [];
  const server = Bun.serve<{ readonly received: string[] }>({
    ...{ port: 0, hostname: "127.0.0.1" },
    fetch: (request, self) => {
      const received: string[] = [];
      if (!self.upgrade(request, { data: { received } })) return new Response();
      sockets.push(received);
      return undefined;
    },
    websocket: {
      message(socket, frame) {
        socket.data.received.push(String(frame));
        socket.send(`re:${frame}`);
      },
    },
  });
  started.push({ stop: () => void server.stop(true) });
  return { address: `127.0.0.1:${server.port}`, sockets };
}

test("G6: two restarts while 20 plain clients talk: each message is answered once, nobody is closed", async () => {
  const app = echo();
  const fleet = new Fleet(config("stateless", app.address));
  let now = await fleet.start();
  const clients = Array.from({ length: 20 }, () => {
    const socket = new HoldfastSocket(fleet.url);
    const client = { socket, got: [] as string[], closes: 0, moves: 0 };
    socket.onmessage = ({ data }) => client.got.push(data);
    socket.onclose = () => client.closes++;
    socket.addEventListener("move", () => client.moves++);
    started.push({ stop: () => socket.close() });
    return client;
  });
  await until("all open", () => clients.every(({ socket }) => socket.readyState === 1));
  let sent = 0;
  const talking = setInterval(() => {
    for (const { socket } of clients) socket.send(`${sent}`);
    sent += 1;
  }, 20);
  for (let round = 1; round <= 2; round++) {
    now = await fleet.replace(now);
    await until("all moved", () => clients.every(({ moves }) => moves === round));
    expect(await now.metric('holdfast_gateway_moved_here_total{route="app"}')).toBe(20);
  }
  clearInterval(talking);
  await until("answers", () => clients.every(({ got }) => got.length === sent));
  const expected = Array.from({ length: sent }, (_, i) => `re:${i}`);
  for (const { got, closes } of clients) expect([got, closes]).toEqual([expected, 0]);
  const received = app.sockets.flat().length;
  expect([received, app.sockets.filter(({ length }) => length > 0).length]).toEqual([
    20 * sent,
    60,
  ]);
  expect(await now.metric('holdfast_gateway_clients{route="app"}')).toBe(20);
});

test("G6: three editors over y-websocket write through a restart: documents are equal, nobody is closed", async () => {
  const server = await startProgram(["node", `${import.meta.dir}/y-websocket-server.mjs`]);
  started.push({ stop: () => void server.kill() });
  const fleet = new Fleet(config({ kind: "yjs", dialect: "y-websocket" }, server.address));
  const old = await fleet.start();
  const editors = Array.from({ length: 3 }, () => {
    const doc = new Y.Doc();
    const provider = new WebsocketProvider(fleet.url, "room", doc, {
      disableBc: true,
      WebSocketPolyfill: HoldfastSocket as typeof WebSocket,
    });
    started.push({ stop: () => provider.destroy() });
    const editor = { doc, provider, closes: 0, moves: 0 };
    provider.awareness.setLocalStateField("name", doc.clientID);
    provider.on("connection-close", () => editor.closes++);
    provider.ws?.addEventListener("move", () => editor.moves++);
    return editor;
  });
  const seesAll = () =>
    editors.every(({ provider }) =>
      editors.every(({ doc }) => provider.awareness.getStates().has(doc.clientID)),
    );
  await until("all are there", seesAll);
  let words = 0;
  const typing = setInterval(() => {
    for (const { doc } of editors) doc.getText("t").insert(0, ` w${words++} `);
  }, 20);
  await fleet.replace(old);
  await until("all moved", () => editors.every(({ moves }) => moves === 1));
  clearInterval(typing);
  const expected = Array.from({ length: words }, (_, i) => `w${i}`).sort();
  const wordsOf = ({ doc }: (typeof editors)[number]) =>
    doc.getText("t").toString().split(" ").filter(Boolean).sort();
  await until("all words are there", () => editors.every((one) => wordsOf(one).length === words));
  for (const editor of editors) expect(wordsOf(editor)).toEqual(expected);
  const states = editors.map(({ doc }) => Buffer.from(Y.encodeStateAsUpdate(doc)).toString("hex"));
  expect(new Set(states).size).toBe(1);
  await until("everybody sees everybody", seesAll);
  expect(editors.map(({ closes }) => closes)).toEqual([0, 0, 0]);
});
