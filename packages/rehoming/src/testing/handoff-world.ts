// Owns: applications that hand their clients over, as real sessions of @holdfast/handoff in
// simulated time, and what must hold at the end: each message once, in order, both ways.
import { handoff as door, type HandoffHandlers, type HandoffSession } from "@holdfast/handoff";
import { createSeededRandom, type SeededRandom } from "@holdfast/testkit";
import type { Frame } from "../frame.ts";
import { type HandoffRules, handoff } from "../profiles/handoff.ts";
import { type Backend, type HomeFate, World } from "./world.ts";

/** What an application keeps of a client: all that it heard and said, in order. */
interface Kept {
  readonly heard: number;
  readonly said: number;
  readonly hash: number;
  readonly saidHash: number;
  readonly closed: string;
}
const NEW: Kept = { heard: 0, said: 0, hash: 0, saidHash: 0, closed: "" };

const hashed = (hash: number, text: string): number =>
  [...text].reduce((sum, char) => (Math.imul(sum, 31) + char.charCodeAt(0)) | 0, hash);
const read = (bytes: Uint8Array | undefined): Kept =>
  bytes === undefined ? NEW : JSON.parse(new TextDecoder().decode(bytes));
const keep = (session: HandoffSession, more: Partial<Kept>): void => {
  session.state = new TextEncoder().encode(JSON.stringify({ ...read(session.state), ...more }));
};

export interface HandoffRun {
  readonly wrongs: readonly string[];
  readonly moves: number;
  readonly sent: number;
  readonly heard: number;
  readonly isClosed: boolean;
}

export interface HandoffCase {
  readonly seed: number;
  /** Only drains, and pods that go when they are asked. */
  readonly isCalm: boolean;
  /** A function of state and messages, whose messages are early. Otherwise chance is in each. */
  readonly isEarly: boolean;
  /** The client closes in between. */
  readonly closes: boolean;
  readonly rules?: HandoffRules;
}

const STEPS = 80;
const HEAL_STEPS = 4000;

/** A process: it may freeze, and go on with what came meanwhile. */
class Pod {
  isFrozen = false;
  readonly #said: (() => void)[] = [];
  readonly #heard: (() => void)[] = [];

  says(task: () => void): void {
    if (this.isFrozen) this.#said.push(task);
    else task();
  }

  hears(task: () => void): void {
    if (this.isFrozen) this.#heard.push(task);
    else task();
  }

  thaw(): void {
    this.isFrozen = false;
    for (const task of [...this.#said.splice(0), ...this.#heard.splice(0)]) task();
  }
}

/** One seed. Microtasks of the applications run between two steps of the clock. */
export async function runHandoff(of: HandoffCase): Promise<HandoffRun> {
  const random = createSeededRandom(of.seed);
  const draw = random.fork("script");
  /** By home. */
  const sessions = new Map<number, HandoffSession>();
  const pods: Pod[] = [];
  let isHealed = false;
  const say = (session: HandoffSession, text: string): void => {
    session.send(text, { early: of.isEarly && draw.chance(0.8) });
    const { said, saidHash } = read(session.state);
    keep(session, { said: said + 1, saidHash: hashed(saidHash, text) });
  };
  const wait = (): Promise<void> =>
    new Promise((done) => void world.clock.after(draw.pick([1, 5, 30]), () => done()));
  const app = (home: number): HandoffHandlers => ({
    attached: (session) => {
      sessions.set(home, session);
    },
    message(session, data) {
      const { heard, hash } = read(session.state);
      const word = (i: number): string =>
        `${i}:${of.isEarly ? hashed(hash, `${data}${i}`) : draw.next()}`;
      const answers = of.isEarly ? 1 + (hashed(hash, String(data)) & 1) : draw.int(3);
      const finish = (): void => {
        for (let i = 1; i < answers; i++) say(session, word(i));
        keep(session, { heard: heard + 1, hash: hashed(hash, String(data)) });
      };
      if (answers > 0) say(session, word(0));
      if (draw.chance(0.6)) return finish();
      return wait().then(finish);
    },
    closed: (session, code, reason) => keep(session, { closed: `${code} ${reason}` }),
  });
  const backend = (): Backend => {
    const pod = new Pod();
    pods.push(pod);
    const { websocket, upgrade } = door(app(pods.length - 1));
    const { data } = upgrade({ headers: { get: () => "holdfast.handoff.v1" } });
    let to: { send(frame: Frame): void; close(code: number): void } | undefined;
    const socket = {
      data,
      send: (frame: Frame) => pod.says(() => to?.send(frame)),
      close: (code: number) => pod.says(() => to?.close(code)),
    };
    websocket.open(socket);
    return {
      received(frame, send, close) {
        to = { send, close };
        pod.hears(() => websocket.message(socket, frame));
      },
    };
  };
  const fate = (): HomeFate => {
    const delayMs = draw.pick([1, 2, 5, 20, 80]);
    if (isHealed || of.isCalm || draw.chance(0.6)) return { opens: "well", delayMs };
    const opens = draw.pick(["well", "well", "refused", "hangs"] as const);
    return { opens, delayMs, silent: draw.chance(0.2) };
  };
  const world = new World({
    profile: handoff({ commitMsMax: 1000, ...of.rules }),
    ...{ random, backend, fate, limits: { lostMax: 1000, homelessMsMax: 60_000 } },
  });
  const sent: string[] = [];
  const found: string[] = [];
  const turn = async (ms: number): Promise<void> => {
    world.clock.advance(ms);
    for (let i = 0; i < 8; i++) await Promise.resolve();
  };
  // Homes become current in their order.
  const live = (): HandoffSession | undefined => sessions.get(Math.max(...sessions.keys()));
  const closesAt = of.closes ? draw.int(STEPS) : -1;
  for (let step = 0; step < STEPS && world.closed === undefined; step++) {
    if (draw.chance(0.7) && !world.paused && (closesAt === -1 || step < closesAt)) {
      sent.push(`c${sent.length}`);
      world.fromClient(sent.at(-1) ?? "");
    }
    const session = live();
    if (!of.isEarly && session !== undefined && draw.chance(0.3)) say(session, `p:${draw.next()}`);
    if (draw.chance(0.1)) world.held.move(draw.pick(["drain", "rebalance"]), draw.int(5000));
    if (!of.isCalm && draw.chance(0.05)) world.kill();
    if (!of.isCalm && draw.chance(0.02)) world.closeHome(draw.pick([1001, 1012, 1000, 1011, 4001]));
    const pod = draw.pick(pods);
    if (!of.isCalm && draw.chance(0.05)) pod.isFrozen = true;
    if (draw.chance(0.1)) pod.thaw();
    if (step === closesAt) world.held.clientClosed(1000, "bye");
    await turn(draw.pick([0, 1, 3, 10, 50, 400]));
  }
  isHealed = true;
  for (const pod of pods) pod.thaw();
  const last = (): Kept => read(live()?.state);
  const isDone = (): boolean =>
    world.held.isOver ||
    (!of.closes && last().heard === sent.length && last().said === world.got.length);
  for (let i = 0; i < HEAL_STEPS && !isDone(); i++) await turn(10);
  const { heard, said, hash, saidHash, closed } = last();
  const heardHash = sent.reduce(hashed, 0);
  if (world.closed !== undefined) found.push(`closed with ${JSON.stringify(world.closed)}`);
  else {
    if (heard !== sent.length || hash !== heardHash)
      found.push(`G1: the application heard ${heard} of ${sent.length}, ${hash} ${heardHash}`);
    const gotHash = world.got.reduce((sum: number, frame) => hashed(sum, String(frame)), 0);
    // A client that closed need not hear the last ones.
    if (!of.closes && (said !== world.got.length || saidHash !== gotHash))
      found.push(`G1: the client heard ${world.got.length} of ${said}`);
    if (of.closes && (!world.held.isOver || closed !== "1000 bye"))
      found.push(`the application was told of the close: "${closed}"`);
  }
  if (world.roomTaken < 0 || (world.held.isOver && world.roomTaken !== 0))
    found.push(`G4: ${world.roomTaken} bytes of room are left`);
  const { roomTakenMax, limits } = world;
  if (roomTakenMax > 3 * limits.waitingBytesMax) found.push(`G4: ${roomTakenMax} bytes waited`);
  return {
    ...{ wrongs: found, moves: world.moves.length, sent: sent.length },
    ...{ heard: world.got.length, isClosed: world.closed !== undefined },
  };
}
