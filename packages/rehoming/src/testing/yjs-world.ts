// Owns: several Yjs clients behind a gateway, with real documents on both sides, in simulated time;
// and what must hold at the end: documents are equal, everybody sees everybody.
import {
  createManualClock,
  createSeededRandom,
  type ManualClock,
  type SeededRandom,
} from "@holdfast/testkit";
import * as Y from "yjs";
import type { Frame } from "../frame.ts";
import type { Profile } from "../profile.ts";
import { World } from "./world.ts";
import { YjsPeer } from "./yjs-peer.ts";
import { YjsPod } from "./yjs-pod.ts";

export interface YjsCase {
  readonly seed: number;
  readonly dialect: "y-websocket" | "hocuspocus";
  /** Only drains, and pods that go when they are asked. */
  readonly isCalm: boolean;
  /** All pods hear of everything, as with Redis between them. */
  readonly hasBus: boolean;
}

export interface YjsRun {
  readonly wrongs: readonly string[];
  readonly moves: number;
  readonly reconnects: number;
}

const STEPS = 40;
const CLIENTS = 3;
const HEAL_MS = 40_000;
const HEAL_ROUNDS = 20;
/** From the end of its documents to the end of a server. */
const EXIT_MS = 300;

/** A client's side of the network: frames keep their order. */
class Line {
  readonly #clock: ManualClock;
  readonly #delayMs: number;
  #lastMs = 0;

  constructor(clock: ManualClock, delayMs: number) {
    this.#clock = clock;
    this.#delayMs = delayMs;
  }

  carry(task: () => void): void {
    this.#lastMs = Math.max(this.#lastMs, this.#clock.nowMs() + this.#delayMs);
    this.#clock.after(this.#lastMs - this.#clock.nowMs(), task);
  }
}

/** One held client: the peer, its line to the gateway, and the gateway's side. */
class Held {
  world: World;
  readonly peer: YjsPeer;
  reconnects = 0;
  readonly #connect: (heard: (frame: Frame) => void) => World;
  readonly #clock: ManualClock;
  readonly #delayMs: number;
  #up: Line;
  #waiting: Frame[] = [];
  movesBefore = 0;

  constructor(
    peer: YjsPeer,
    clock: ManualClock,
    delayMs: number,
    connect: (heard: (frame: Frame) => void) => World,
  ) {
    this.peer = peer;
    this.#connect = connect;
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#up = new Line(clock, delayMs);
    this.world = this.#open();
  }

  /** What may pass, passes; whoever was closed connects anew. */
  tick(): void {
    while (this.#waiting.length > 0 && !this.world.paused && this.world.closed === undefined) {
      const frame = this.#waiting.shift();
      if (frame !== undefined) this.world.fromClient(frame);
    }
    if (this.world.closed === undefined) return;
    this.reconnects += 1;
    this.movesBefore += this.world.moves.length;
    this.peer.closed();
    this.world = this.#open();
  }

  #open(): World {
    this.#waiting = [];
    const [up, down] = [new Line(this.#clock, this.#delayMs), new Line(this.#clock, this.#delayMs)];
    this.#up = up;
    const isCurrent = (): boolean => this.#up === up;
    const world = this.#connect((frame) =>
      down.carry(() => {
        if (isCurrent()) this.peer.heard(frame as Uint8Array);
      }),
    );
    this.peer.opened((frame) =>
      up.carry(() => {
        if (!isCurrent()) return;
        this.#waiting.push(frame);
        this.tick();
      }),
    );
    return world;
  }
}

export function runYjs({ seed, dialect, isCalm, hasBus }: YjsCase, profile: Profile): YjsRun {
  const random = createSeededRandom(seed);
  const draw = random.fork("script");
  const clock = createManualClock();
  const pods: YjsPod[] = [];
  const addPod = (): YjsPod => {
    const pod = new YjsPod({ dialect, clock, bus: hasBus ? pods : [] });
    pods.push(pod);
    return pod;
  };
  addPod();
  addPod();
  const open = (): readonly YjsPod[] => pods.filter(({ takes }) => takes);
  let isHealed = false;
  const waitingBytesMax = draw.pick([30_000, 256 * 1024]);
  const connect = (heard: (frame: Frame) => void): World =>
    new World({
      ...{ profile, clock, heard, random: random.fork(`world${clock.nowMs()}`) },
      limits: { waitingBytesMax },
      backend: () => draw.pick(open()).connect(),
      fate() {
        const delayMs = draw.pick([1, 2, 5, 20]);
        if (isHealed || isCalm || draw.chance(0.7)) return { opens: "well", delayMs };
        return { opens: draw.pick(["well", "refused", "hangs"] as const), delayMs };
      },
    });
  const documents = dialect === "hocuspocus" ? ["a", "b"] : [""];
  const held = Array.from({ length: CLIENTS }, (_, i) => {
    const peer = new YjsPeer({ dialect, documents, name: `client${i}`, id: 1000 + i });
    return new Held(peer, clock, draw.pick([0, 3, 30]), connect);
  });
  const advance = (ms: number): void => {
    clock.advance(ms);
    for (const one of held) one.tick();
  };
  const leave = (pod: YjsPod): void => {
    pod.takes = false;
    for (const { world } of held)
      if (pod.has(world.homes.find(({ id }) => id === world.held.home)?.backend))
        world.held.move("drain", 5000);
  };
  for (let step = 0; step < STEPS; step++) {
    for (const { peer } of held) if (draw.chance(0.5)) act(peer, draw);
    if (draw.chance(0.08)) {
      addPod();
      leave(draw.pick(open().slice(0, -1)));
    }
    if (!isCalm && draw.chance(0.06)) {
      addPod();
      const pod = draw.pick(open().slice(0, -1));
      const isKilled = draw.chance(0.6);
      for (const { world } of held)
        if (isKilled) world.killAll(pod.backends);
        else if (dialect === "y-websocket") world.closeAll(pod.backends, 1001);
      pod.ends(isKilled);
      // Its process exits.
      clock.after(EXIT_MS, () => {
        for (const { world } of held) world.killAll(pod.backends);
      });
    }
    advance(draw.pick([0, 1, 3, 10, 50, 400]));
  }
  // Without a bus, only clients of one pod can agree.
  isHealed = true;
  advance(10);
  addPod();
  for (let round = 0; round < HEAL_ROUNDS; round++) {
    for (const pod of open().slice(0, -1)) pod.takes = false;
    for (const pod of pods) if (!pod.takes && !pod.isGone) leave(pod);
    advance(HEAL_MS / HEAL_ROUNDS);
  }
  const wrongs = [...wrongsOf(held, documents, isCalm)];
  const moves = held.reduce(
    (sum, { world, movesBefore }) => sum + movesBefore + world.moves.length,
    0,
  );
  const reconnects = held.reduce((sum, one) => sum + one.reconnects, 0);
  for (const { peer } of held) peer.destroy();
  for (const pod of pods) pod.destroy();
  return { wrongs, moves, reconnects };
}

function act(peer: YjsPeer, draw: SeededRandom): void {
  const name = draw.pick(peer.documents);
  const { doc, awareness } = peer.of(name);
  const text = doc.getText("t");
  const kind = draw.pick(["insert", "insert", "delete", "map", "cursor", "cursor", "big"] as const);
  const at = draw.int(text.length + 1);
  if (kind === "insert") text.insert(at, `${draw.int(100)} `);
  else if (kind === "big") text.insert(at, "x".repeat(draw.pick([300, 3000])));
  else if (kind === "delete") text.delete(at, Math.min(draw.int(10), text.length - at));
  else if (kind === "map") doc.getMap("m").set(`${draw.int(5)}`, draw.int(1000));
  else awareness.setLocalStateField("cursor", draw.int(1_000_000));
}

function* wrongsOf(held: readonly Held[], documents: readonly string[], isCalm: boolean) {
  for (const name of documents) {
    const all = held.map(({ peer }) => peer.of(name));
    const [first, ...others] = all.map(({ doc }) => doc);
    if (first === undefined) return;
    for (const [i, doc] of others.entries()) {
      const isEqual = Bun.deepEquals(Y.encodeStateAsUpdate(doc), Y.encodeStateAsUpdate(first));
      if (!isEqual || doc.getText("t").toString() !== first.getText("t").toString())
        yield `"${name}" of client ${i + 1} differs from that of client 0`;
    }
    for (const [i, { awareness }] of all.entries())
      for (const [j, other] of all.entries()) {
        const seen = JSON.stringify(awareness.getStates().get(other.doc.clientID));
        const is = JSON.stringify(other.awareness.getLocalState());
        if (seen !== is) yield `client ${i} sees ${j} of "${name}" as ${seen}, not as ${is}`;
      }
  }
  for (const [i, { peer, world, reconnects }] of held.entries()) {
    if (isCalm && reconnects > 0) yield `client ${i} was closed`;
    if (isCalm && peer.flickers.length > 0) yield `client ${i}: ${peer.flickers.join(", ")}`;
    if (peer.unsynced !== 0) yield `client ${i} has ${peer.unsynced} changes unsynced`;
    if (!peer.isAuthenticated) yield `client ${i} is not logged in`;
    if (world.roomTaken < 0) yield `client ${i}: more room was given than taken`;
    if (world.held.isMoving) yield `client ${i} has no server`;
  }
}
