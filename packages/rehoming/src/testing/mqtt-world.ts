// Owns: an MQTT client and brokers in simulated time, with sessions that they share or not, and
// what must hold at the end: each message of QoS 1 and 2 as often as promised, both ways.
import { createSeededRandom } from "@holdfast/testkit";
import { generate, type Packet, parser } from "mqtt-packet";
import type { Frame } from "../frame.ts";
import { type MqttRules, mqtt } from "../profiles/mqtt.ts";
import { type Backend, type HomeFate, World } from "./world.ts";

export interface MqttCase {
  readonly seed: number;
  readonly version: 4 | 5;
  /** Only drains. */
  readonly isCalm: boolean;
  /** Brokers share sessions, or one restarts with what it kept. Otherwise each has its own. */
  readonly areShared: boolean;
  readonly rules?: MqttRules;
}

export interface MqttRun {
  readonly wrongs: readonly string[];
  readonly moves: number;
  readonly published: number;
  readonly heard: number;
}

interface Message {
  readonly id: number;
  readonly qos: 1 | 2;
  readonly text: string;
  isReleased: boolean;
}

/** What a broker keeps of the client. */
class Session {
  readonly filters = new Set<string>();
  /** Of QoS 2, received and not released. */
  readonly held = new Set<number>();
  readonly open: Message[] = [];
  lastId = 0;
}

const STEPS = 60;
const HEAL_STEPS = 3000;
const IDS = 12;

/** Names of messages that appear more than once, or not in their order. */
const disorder = (texts: readonly string[]): readonly string[] =>
  texts.filter((text, i) => Number(text.slice(2)) <= Number((texts[i - 1] ?? "xx-1").slice(2)));

export function runMqtt(of: MqttCase): MqttRun {
  const protocolVersion = of.version;
  const random = createSeededRandom(of.seed);
  const draw = random.fork("script");
  const write = (packet: Packet): Uint8Array => generate(packet, { protocolVersion });
  const shared = new Map<string, Session>();
  /** What brokers took of the client, in order, and what they published to it. */
  const taken: string[] = [];
  const published: string[] = [];
  let live: { session: Session; send(frame: Frame): void } | undefined;
  let isHealed = false;

  const backend = (): Backend => {
    const sessions = of.areShared ? shared : new Map<string, Session>();
    const reader = parser({ protocolVersion });
    let session: Session | undefined;
    let reply: (frame: Frame) => void = () => {};
    let end: (code: number) => void = () => {};
    const say = (packet: Packet): void => reply(write(packet));
    reader.on("packet", (packet: Packet) => {
      if (packet.cmd === "connect") {
        const known = sessions.get(packet.clientId);
        session = known !== undefined && packet.clean !== true ? known : new Session();
        const sessionPresent = session === known;
        sessions.set(packet.clientId, session);
        live = { session, send: reply };
        say({ cmd: "connack", returnCode: 0, reasonCode: 0, sessionPresent });
        for (const { id, qos, text, isReleased } of session.open)
          if (isReleased) say({ cmd: "pubrel", messageId: id, reasonCode: 0 });
          else say(publish({ messageId: id, qos, payload: text, dup: true }));
        return;
      }
      if (session === undefined) return end(1002);
      const { messageId = 0 } = packet;
      const open = session.open.findIndex(({ id }) => id === messageId);
      switch (packet.cmd) {
        case "subscribe":
          for (const { topic } of packet.subscriptions) session.filters.add(topic);
          return say({ cmd: "suback", messageId, granted: packet.subscriptions.map(() => 1) });
        case "publish":
          if (packet.qos === 1) {
            taken.push(String(packet.payload));
            return say({ cmd: "puback", messageId, reasonCode: 0 });
          }
          if (!session.held.has(messageId)) taken.push(String(packet.payload));
          session.held.add(messageId);
          return say({ cmd: "pubrec", messageId, reasonCode: 0 });
        case "pubrel":
          session.held.delete(messageId);
          return say({ cmd: "pubcomp", messageId, reasonCode: 0 });
        case "puback":
        case "pubcomp":
          if (open >= 0) session.open.splice(open, 1);
          return;
        case "pubrec":
          if (open >= 0) (session.open[open] as Message).isReleased = true;
          return say({ cmd: "pubrel", messageId, reasonCode: 0 });
        case "pingreq":
          return say({ cmd: "pingresp" });
        case "disconnect":
          return end(1000);
      }
    });
    return {
      received(frame, send, close) {
        [reply, end] = [send, close];
        if (typeof frame !== "string") reader.parse(Buffer.from(frame));
      },
    };
  };
  const publish = (more: object): Packet => ({
    ...{ cmd: "publish", topic: "t", retain: false, dup: false, qos: 1, payload: "" },
    ...more,
  });
  const fate = (): HomeFate => {
    const delayMs = draw.pick([1, 2, 5, 20]);
    if (isHealed || of.isCalm || draw.chance(0.6)) return { opens: "well", delayMs };
    return {
      ...{ opens: draw.pick(["well", "well", "refused", "hangs"] as const), delayMs },
      silent: draw.chance(0.2),
    };
  };
  const world = new World({
    profile: mqtt({ pingMsMax: 1000, ...of.rules }),
    ...{ random, backend, fate, limits: { lostMax: 1000, homelessMsMax: 60_000 } },
  });

  // The client: what it sent and may not forget, what it heard.
  const own = new Map<number, string>();
  const sent: string[] = [];
  const heard: string[] = [];
  const half = new Map<number, string>();
  let [connacks, subacks, pongs, pings, read] = [0, 0, 0, 0, 0];
  const toBroker = (packet: Packet): void => {
    const bytes = write(packet);
    // Packets are not bound to frames.
    const cut = draw.chance(0.2) ? draw.int(bytes.length) : 0;
    if (cut > 0) world.fromClient(bytes.subarray(0, cut));
    world.fromClient(bytes.subarray(cut));
  };
  const hears = parser({ protocolVersion });
  hears.on("packet", (packet: Packet) => {
    const { messageId = 0 } = packet;
    if (packet.cmd === "connack") connacks += 1;
    else if (packet.cmd === "suback") subacks += 1;
    else if (packet.cmd === "pingresp") pongs += 1;
    else if (packet.cmd === "puback" || packet.cmd === "pubcomp") own.delete(messageId);
    else if (packet.cmd === "pubrec") toBroker({ cmd: "pubrel", messageId, reasonCode: 0 });
    else if (packet.cmd === "publish" && packet.qos === 1) {
      heard.push(String(packet.payload));
      toBroker({ cmd: "puback", messageId, reasonCode: 0 });
    } else if (packet.cmd === "publish") {
      half.set(messageId, String(packet.payload));
      toBroker({ cmd: "pubrec", messageId, reasonCode: 0 });
    } else if (packet.cmd === "pubrel") {
      const text = half.get(messageId);
      if (text !== undefined) heard.push(text);
      half.delete(messageId);
      toBroker({ cmd: "pubcomp", messageId, reasonCode: 0 });
    }
  });
  const turn = (ms: number): void => {
    world.clock.advance(ms);
    for (; read < world.got.length; read++) hears.parse(Buffer.from(world.got[read] as Uint8Array));
  };

  const properties = of.version === 5 ? { sessionExpiryInterval: 3600 } : undefined;
  toBroker({
    ...{ cmd: "connect", clientId: "c", clean: of.version === 5, protocolVersion, keepalive: 60 },
    ...{ protocolId: "MQTT", ...(properties === undefined ? {} : { properties }) },
  } as Packet);
  toBroker({
    cmd: "subscribe",
    messageId: 1000,
    subscriptions: [{ topic: "t", qos: 2 }],
  } as Packet);
  turn(200);
  const counts = { 1: [0, 0], 2: [0, 0] };
  for (let step = 0; step < STEPS && world.closed === undefined; step++) {
    const qos = draw.pick([1, 2] as const);
    const free = Array.from({ length: IDS }, (_, i) => i + 1).find((id) => !own.has(id));
    if (draw.chance(0.6) && free !== undefined && !world.paused) {
      const text = `u${qos}${counts[qos][0]}`;
      counts[qos][0] = (counts[qos][0] ?? 0) + 1;
      own.set(free, text);
      sent.push(text);
      toBroker(publish({ messageId: free, qos, payload: text }));
    }
    if (draw.chance(0.5) && live !== undefined && live.session.filters.has("t")) {
      const { session } = live;
      session.lastId += 1;
      const message = {
        id: session.lastId,
        qos,
        text: `d${qos}${counts[qos][1]}`,
        isReleased: false,
      };
      counts[qos][1] = (counts[qos][1] ?? 0) + 1;
      session.open.push(message);
      published.push(message.text);
      live.send(write(publish({ messageId: message.id, qos, payload: message.text })));
    }
    if (draw.chance(0.2)) {
      pings += 1;
      toBroker({ cmd: "pingreq" });
    }
    if (draw.chance(0.1)) world.held.move(draw.pick(["drain", "rebalance"]), draw.int(5000));
    if (!of.isCalm && draw.chance(0.05)) world.kill();
    if (!of.isCalm && draw.chance(0.02)) world.closeHome(draw.pick([1001, 1000, 1012]));
    turn(draw.pick([0, 1, 3, 10, 50, 400]));
  }
  isHealed = true;
  const isDone = (): boolean =>
    own.size === 0 &&
    half.size === 0 &&
    !world.held.isMoving &&
    (live?.session.open.length ?? 0) === 0;
  // Pings find a broker that is silent.
  for (let i = 0; i < HEAL_STEPS && !isDone() && world.closed === undefined; i++) {
    if (i % 50 === 0) {
      pings += 1;
      toBroker({ cmd: "pingreq" });
    }
    turn(10);
  }
  turn(2000);

  const found: string[] = [];
  if (world.closed !== undefined) found.push(`closed with ${JSON.stringify(world.closed)}`);
  if (connacks !== 1 || subacks !== 1) found.push(`${connacks} CONNACKs, ${subacks} SUBACKs`);
  if (pongs !== pings) found.push(`${pongs} answers to ${pings} pings`);
  if (own.size > 0) found.push(`${[...own.values()]} were never acknowledged`);
  if (half.size > 0) found.push(`${[...half.values()]} were never released`);
  if (live?.session.filters.has("t") !== true) found.push("the last broker has no subscription");
  if (new Set(taken).size !== sent.length)
    found.push(`G1: brokers took ${new Set(taken).size} of ${sent.length}`);
  const of2 = (texts: readonly string[]) => texts.filter((text) => text[1] === "2");
  const first = (texts: readonly string[]) => [...new Set(texts)];
  if (of.areShared) {
    for (const [name, texts] of Object.entries({ taken, heard }))
      if (disorder(of2(texts)).length > 0) found.push(`G1: QoS 2 ${name}: ${of2(texts).join(" ")}`);
    if (first(heard).length !== published.length)
      found.push(`G1: heard ${first(heard).length} of ${published.length}`);
    const ones = first(taken).filter((text) => text[1] === "1");
    if (disorder(ones).length > 0) found.push(`G1: QoS 1 taken: ${ones.join(" ")}`);
  } else if (disorder(of2(heard)).length > 0)
    found.push(`G1: QoS 2 heard: ${of2(heard).join(" ")}`);
  world.held.clientClosed(1000, "");
  if (world.roomTaken !== 0) found.push(`G4: ${world.roomTaken} bytes of room are left`);
  return {
    ...{ wrongs: found, moves: world.moves.length },
    ...{ published: sent.length, heard: heard.length },
  };
}
