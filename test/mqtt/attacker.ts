// Owns: a process that attacks a node over MQTT, so that its own work is not the node's: which
// attack, the node's port, and for how long (ms). It prints what the node told its connections.
import { generate, type Packet } from "mqtt-packet";

const [kind = "", portText = "0", msText = "0"] = process.argv.slice(2);
const port = Number(portText);
const endMs = performance.now() + Number(msText);
const isOver = (): boolean => performance.now() > endMs;
const told = new Map<string, number>();
const note = (what: string): void => void told.set(what, (told.get(what) ?? 0) + 1);

const write = (packet: object): Buffer => generate(packet as Packet, { protocolVersion: 5 });
let ids = 0;
const connectPacket = (more: object = {}): Buffer => {
  ids += 1;
  const fixed = { cmd: "connect", protocolId: "MQTT", protocolVersion: 5, clean: true };
  return write({ ...fixed, clientId: `rude-${process.pid}-${ids}`, keepalive: 60, ...more });
};
const publish = (topic: string, payload: string, qos = 0, messageId = 1): Buffer =>
  write({ cmd: "publish", topic, payload, qos, messageId, dup: false, retain: false });
const subscribe = (topics: readonly string[], messageId = 1): Buffer =>
  write({ cmd: "subscribe", messageId, subscriptions: topics.map((topic) => ({ topic, qos: 1 })) });

interface Rude {
  /** False: it is closed. */
  send(bytes: Uint8Array): Promise<boolean>;
  readonly closed: Promise<void>;
  pause(): void;
  end(): void;
}

async function open(first: Uint8Array = connectPacket()): Promise<Rude | undefined> {
  let wake: () => void = () => {};
  let isClosed = false;
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port,
    socket: {
      data(_socket, chunk) {
        if (chunk[0] === 0x20) note(`connack ${(chunk[3] ?? 0).toString(16)}`);
        if (chunk[0] === 0xe0) note(`disconnect ${(chunk[2] ?? 0).toString(16)}`);
        answer();
      },
      drain: () => wake(),
      close() {
        isClosed = true;
        note("closed");
        wake();
        answer();
        close();
      },
      error() {},
    },
  }).catch(() => undefined);
  if (socket === undefined) return undefined;
  if (first.length > 0) {
    socket.write(first);
    await answered;
  }
  return {
    closed,
    pause: () => socket.pause(),
    end: () => socket.terminate(),
    async send(bytes) {
      let at = 0;
      while (!isClosed && at < bytes.length && !isOver()) {
        const written = socket.write(bytes.subarray(at));
        if (written < 0) return false;
        at += written;
        if (at < bytes.length) {
          const drained = Promise.withResolvers<void>();
          wake = drained.resolve;
          await Promise.race([drained.promise, Bun.sleep(100)]);
        }
      }
      return !isClosed;
    },
  };
}

/** Sends the same again and again, on a few connections that come back whenever they are ended. */
async function flood(make: () => Uint8Array, connections = 4): Promise<void> {
  const one = async (): Promise<void> => {
    while (!isOver()) {
      const rude = await open();
      if (rude === undefined) await Bun.sleep(20);
      else while (!isOver() && (await rude.send(make()))) await Bun.sleep(0);
      rude?.end();
    }
  };
  await Promise.all(Array.from({ length: connections }, one));
}

const many = (bytes: Uint8Array, count: number): Uint8Array =>
  Buffer.concat(Array.from({ length: count }, () => bytes));
let numbers = 0;

const ATTACKS: Readonly<Record<string, () => Promise<void>>> = {
  "small messages": () => flood(() => many(publish("rude/a", "x"), 500)),
  "large messages": () => flood(() => many(publish("rude/a", "x".repeat(60_000)), 4)),
  pings: () => flood(() => many(write({ cmd: "pingreq" }), 2000)),
  "acknowledgements of nothing": () =>
    flood(() => many(write({ cmd: "puback", messageId: 7, reasonCode: 0 }), 2000)),
  "new filters with wildcards": () =>
    flood(() => {
      numbers += 1;
      const topics = Array.from({ length: 20 }, (_, n) => `x${numbers}-${n}/+`);
      const unsubscribe = write({ cmd: "unsubscribe", messageId: 2, unsubscriptions: topics });
      return Buffer.concat([subscribe(topics), unsubscribe]);
    }),
  "new channels": () =>
    flood(() => {
      const all = Array.from({ length: 50 }, () => publish(`new/${numbers++}`, "x"));
      return Buffer.concat(all);
    }),
  async "filters over everything"() {
    const rude = await Promise.all(Array.from({ length: 50 }, () => open()));
    for (const [n, one] of rude.entries())
      await one?.send(subscribe(["#", "+/#", `+/${n}/#`, "+/+", "+/+/+", "over/#"]));
    // "#" may reach too many channels already; the last filter does when these are there.
    await flood(() => publish(`over/${numbers++}`, "x"), 6);
  },
  async "readers that stop"() {
    const rude = await Promise.all(Array.from({ length: 20 }, () => open()));
    for (const one of rude) {
      await one?.send(subscribe(["rude/#"]));
      one?.pause();
    }
    await flood(() => many(publish("rude/a", "x".repeat(12_000)), 20), 2);
  },
  async "clients that never say CONNECT"() {
    const half = connectPacket().subarray(0, 5);
    const all: Promise<unknown>[] = [];
    for (let n = 0; n < 1500 && !isOver(); n++)
      all.push(open(n % 2 === 0 ? half : new Uint8Array(0)));
    while (!isOver()) await Bun.sleep(50);
  },
  async "packets that never end"() {
    const begun = Buffer.concat([Uint8Array.of(0x30, 0xff, 0xff, 0x0b), Buffer.alloc(190_000, 65)]);
    const one = async (): Promise<void> => {
      while (!isOver()) {
        const rude = await open();
        if ((await rude?.send(begun)) === true) await Promise.race([rude?.closed, Bun.sleep(2000)]);
        else await Bun.sleep(20);
      }
    };
    await Promise.all(Array.from({ length: 300 }, one));
  },
  async "wills of clients that leave"() {
    const will = { topic: "rude/will", payload: "x".repeat(1000), qos: 1, retain: false };
    const one = async (): Promise<void> => {
      while (!isOver()) (await open(connectPacket({ will })))?.end();
    };
    await Promise.all(Array.from({ length: 20 }, one));
  },
  async "fights for identifiers"() {
    const one = async (clientId: string): Promise<void> => {
      while (!isOver()) await (await open(connectPacket({ clientId })))?.closed;
    };
    const fighters = Array.from({ length: 10 }, (_, n) => [one(`fight-${n}`), one(`fight-${n}`)]);
    await Promise.race([Promise.all(fighters.flat()), Bun.sleep(Number(msText))]);
  },
};

await ATTACKS[kind]?.();
process.stdout.write(`${JSON.stringify(Object.fromEntries(told))}\n`);
process.exit(0);
