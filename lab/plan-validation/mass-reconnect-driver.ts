// Owns: a load process of the validation of plans: thousands of returning clients, told what to do
// on stdin.
import { answerCommands, type Data } from "../micro/commands.ts";
import { paced } from "../micro/pacing.ts";
import { type Ground, ReturnClient } from "./return-client.ts";
import { Wire } from "./wire.ts";

class MassReconnect implements Ground {
  #clients: ReturnClient[] = [];
  readonly #connections = new Map<number, number>();
  #ready: number[] = [];
  #markedMs = Date.now();
  #attempts: [atMs: number, port: number][] = [];
  #arrivals: number[] = [];
  #moves = 0;
  #losses = 0;
  #deliveries = 0;
  #idle: Wire[] = [];

  choose(): number {
    const [first = 0, ...others] = this.#ready;
    const count = (port: number): number => this.#connections.get(port) ?? 0;
    return others.reduce((least, port) => (count(port) < count(least) ? port : least), first);
  }
  opened(port: number): void {
    this.#connections.set(port, (this.#connections.get(port) ?? 0) + 1);
  }
  closed(port: number): void {
    this.#connections.set(port, (this.#connections.get(port) ?? 0) - 1);
  }
  attempted(port: number): void {
    this.#attempts.push([Date.now() - this.#markedMs, port]);
  }
  delivered(count: number): void {
    this.#deliveries += count;
  }
  arrived(how: "back" | "moved"): void {
    if (how === "moved") this.#moves += 1;
    this.#arrivals.push(Date.now() - this.#markedMs);
  }
  lost(): void {
    this.#losses += 1;
  }

  ready({ ports }: Data): Data {
    this.#ready = ports as number[];
    return {};
  }

  async start({ count, first, perSecond, roomSize }: Data): Promise<Data> {
    this.#clients = Array.from(
      { length: Number(count) },
      (_, index) =>
        new ReturnClient(`room-${Math.floor((Number(first) + index) / Number(roomSize))}`, this),
    );
    await paced({ count: Number(count), perSecond: Number(perSecond) }, (n) =>
      this.#clients[n]?.start(),
    );
    return {};
  }

  /** What is counted begins anew. */
  mark(): Data {
    this.#markedMs = Date.now();
    this.#attempts = [];
    this.#arrivals = [];
    this.#moves = this.#losses = this.#deliveries = 0;
    return {};
  }

  status(): Data {
    return {
      connected: this.#clients.filter(({ connected }) => connected).length,
      total: this.#clients.length,
      attempts: this.#attempts.length,
      moves: this.#moves,
      losses: this.#losses,
      deliveries: this.#deliveries,
      lastArrivalMs: this.#arrivals.reduce((last, atMs) => Math.max(last, atMs), 0),
      windowMs: this.#clients.reduce((most, client) => Math.max(most, client.windowMs), 0),
    };
  }

  /** Every attempt and arrival since the mark, in ms. */
  times(): Data {
    return { attempts: this.#attempts, arrivals: this.#arrivals };
  }

  async ping({ perSecond }: Data): Promise<Data> {
    await paced({ count: this.#clients.length, perSecond: Number(perSecond) }, (n) =>
      this.#clients[n]?.ping(),
    );
    return {};
  }

  /** `windows: false`: nobody was told over how long to spread. */
  drop({ windows }: Data): Data {
    if (windows === false) for (const client of this.#clients) client.forgetWindow();
    for (const client of this.#clients) client.drop();
    return {};
  }

  async publish({ count, perSecond, bytes }: Data): Promise<Data> {
    const text = "x".repeat(Number(bytes));
    await paced({ count: Number(count), perSecond: Number(perSecond) }, () =>
      this.#clients[Math.floor(Math.random() * this.#clients.length)]?.publish(text),
    );
    return {};
  }

  /** Connections that are only upgraded; `say` later sends them all a frame. */
  async idle({ count, perSecond, port }: Data): Promise<Data> {
    let opened = 0;
    const wires = this.#idle;
    const listener = {
      opened: () => opened++,
      frame: () => {},
      delivered: () => {},
      closed: () => {},
    };
    await paced(
      { count: Number(count), perSecond: Number(perSecond) },
      () => void wires.push(new Wire(Number(port), listener)),
    );
    for (let turn = 0; turn < 500 && opened < Number(count); turn++) await Bun.sleep(10);
    return { opened };
  }
  async say({ frame, perSecond }: Data): Promise<Data> {
    await paced({ count: this.#idle.length, perSecond: Number(perSecond) }, (n) =>
      this.#idle[n]?.send(frame as object),
    );
    await Bun.sleep(300);
    return {};
  }

  close(): Data {
    for (const client of this.#clients) client.close();
    for (const wire of this.#idle) wire.close();
    this.#clients = [];
    this.#idle = [];
    this.#connections.clear();
    return {};
  }
}

const massReconnect = new MassReconnect();
await answerCommands(
  { ready: true },
  {
    ready: (command) => massReconnect.ready(command),
    start: (command) => massReconnect.start(command),
    mark: () => massReconnect.mark(),
    status: () => massReconnect.status(),
    times: () => massReconnect.times(),
    ping: (command) => massReconnect.ping(command),
    drop: (command) => massReconnect.drop(command),
    publish: (command) => massReconnect.publish(command),
    idle: (command) => massReconnect.idle(command),
    say: (command) => massReconnect.say(command),
    close: () => massReconnect.close(),
  },
);
