// Owns: a Socket.IO client and its servers behind a gateway, in simulated time: every event is
// labelled, and accounted for at the end.
import { createManualClock, createSeededRandom, type ManualClock } from "@holdfast/testkit";
import type { Frame } from "../frame.ts";
import type { Profile } from "../profile.ts";
import { SocketIoPeer } from "./socketio-peer.ts";
import { SocketIoPod, SocketIoStore } from "./socketio-pod.ts";
import { World } from "./world.ts";

export interface SocketIoCase {
  readonly seed: number;
  /** Only drains, and pods that go when they are asked. */
  readonly isCalm: boolean;
  /** Servers keep sessions and what they miss, where all of them find it. */
  readonly recovers: boolean;
  /** As the profile's rule. */
  readonly idempotent: boolean;
}

export interface SocketIoRun {
  readonly wrongs: readonly string[];
  readonly moves: number;
  readonly reconnects: number;
  readonly connects: number;
}

const STEPS = 60;
const NAMESPACES = ["/", "/chat"];
const HEAL_MS = 30_000;
const HEAL_STEPS = 100;
const EXIT_MS = 100;

/** Frames keep their order. */
export function line(clock: ManualClock, delayMs: number): (task: () => void) => void {
  let lastMs = 0;
  return (task) => {
    lastMs = Math.max(lastMs, clock.nowMs() + delayMs);
    clock.after(lastMs - clock.nowMs(), task);
  };
}

export function runSocketIo(of: SocketIoCase, profile: Profile): SocketIoRun {
  const random = createSeededRandom(of.seed);
  const draw = random.fork("script");
  const clock = createManualClock();
  const store = new SocketIoStore(of.recovers);
  const found: string[] = [];
  const wrong = (text: string): void => void found.push(text);
  const pods: SocketIoPod[] = [];
  const addPod = (): SocketIoPod => {
    const pod = new SocketIoPod({ clock, store, wrong, draw: random.fork(`pod${pods.length}`) });
    pods.push(pod);
    return pod;
  };
  addPod();
  let isHealed = false;
  let moves = 0;
  let reconnects = 0;
  const delayMs = draw.pick([0, 3, 30]);
  const peer = new SocketIoPeer({
    clock,
    namespaces: NAMESPACES,
    draw: random.fork("peer"),
    wrong,
  });
  let waiting: Frame[] = [];
  let world = open();
  function open(): World {
    waiting = [];
    const [up, down] = [line(clock, delayMs), line(clock, delayMs)];
    const isCurrent = (): boolean => world === one;
    const one: World = new World({
      ...{ profile, clock, random: random.fork(`world${clock.nowMs()}`) },
      heard: (frame) => down(() => isCurrent() && peer.heard(frame)),
      backend: () => draw.pick(pods.filter(({ takes }) => takes)).connect(),
      fate() {
        const ms = draw.pick([1, 2, 5, 20]);
        if (isHealed || of.isCalm || draw.chance(0.7)) return { opens: "well", delayMs: ms };
        return { opens: draw.pick(["well", "refused", "hangs"] as const), delayMs: ms };
      },
    });
    peer.opened((frame) =>
      up(() => {
        if (!isCurrent()) return;
        waiting.push(frame);
        tick();
      }),
    );
    return one;
  }
  function tick(): void {
    while (waiting.length > 0 && !world.paused && world.closed === undefined)
      world.fromClient(waiting.shift() ?? "");
    if (world.closed === undefined) return;
    reconnects += 1;
    moves += world.moves.length;
    peer.closed();
    world = open();
  }
  for (let step = 0; step < STEPS; step++) {
    if (draw.chance(0.6)) peer.emits({ idempotent: of.idempotent });
    if (draw.chance(0.4)) store.broadcast(draw.pick(NAMESPACES), pods);
    if (draw.chance(0.2)) for (const pod of pods) pod.asks();
    if (draw.chance(0.12)) {
      const next = addPod();
      for (const pod of pods) if (pod !== next) pod.takes = false;
      world.held.move("drain", 5000);
    }
    if (!of.isCalm && draw.chance(0.06)) {
      const gone = draw.pick(pods.filter(({ takes }) => takes));
      addPod();
      const isKilled = draw.chance(0.6);
      gone.ends(isKilled);
      if (isKilled) world.killAll(gone.backends);
      else {
        world.closeAll(gone.backends, 1005);
        clock.after(EXIT_MS, () => world.killAll(gone.backends));
      }
    }
    clock.advance(draw.pick([0, 1, 3, 10, 50, 400]));
    tick();
  }
  isHealed = true;
  for (let i = 0; i < HEAL_STEPS; i++) {
    clock.advance(HEAL_MS / HEAL_STEPS);
    tick();
  }
  moves += world.moves.length;
  if (world.held.isMoving) wrong("the client has no server");
  if (world.roomTaken < 0) wrong("more room was given than taken");
  wrongsOf(of, { peer, pods, store, reconnects, wrong });
  const { connects } = peer;
  peer.destroy();
  for (const pod of pods) pod.destroy();
  return { wrongs: found, moves, reconnects, connects };
}

interface Outcome {
  readonly peer: SocketIoPeer;
  readonly pods: readonly SocketIoPod[];
  readonly store: SocketIoStore;
  readonly reconnects: number;
  readonly wrong: (text: string) => void;
}

function wrongsOf(of: SocketIoCase, { peer, pods, store, reconnects, wrong }: Outcome): void {
  const received = new Map<string, number>();
  for (const label of pods.flatMap((pod) => pod.received))
    received.set(label, (received.get(label) ?? 0) + 1);
  for (const { label, wantsAnswer, state } of peer.emitted) {
    const times = received.get(label) ?? 0;
    const mayRepeat = of.idempotent && wantsAnswer;
    if (times > 1 && !mayRepeat) wrong(`${label} reached servers ${times} times`);
    if (of.isCalm && times === 0 && state !== "errored") wrong(`${label} reached nobody`);
    if (wantsAnswer && state === "waits") wrong(`${label} never got an answer, nor an error`);
    if (state === "answered" && times === 0) wrong(`${label} was answered by nobody`);
  }
  if (of.isCalm && of.idempotent && reconnects > 0) wrong("the client was closed");
  for (const namespace of NAMESPACES) {
    const heard = peer.heardIn(namespace);
    const all = store.labels(namespace);
    const places = heard.map((label) => all.indexOf(label));
    if (places.some((place, i) => i > 0 && place <= (places[i - 1] ?? -1)))
      wrong(`${namespace}: events came as ${places.join(" ")}`);
    if (of.recovers && of.isCalm && reconnects === 0) {
      const first = places[0] ?? all.length;
      if (heard.length > 0 && heard.length !== all.length - first)
        wrong(`${namespace}: ${heard.length} of ${all.length - first} events came`);
    }
  }
}
