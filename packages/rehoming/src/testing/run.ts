// Owns: one run of the simulation: a seed in, what was wrong out.
import { createSeededRandom } from "@holdfast/testkit";
import type { HeldLimits } from "../ports.ts";
import type { Profile } from "../profile.ts";
import { wrongs } from "./oracles.ts";
import { type Backend, type HomeFate, World } from "./world.ts";

export interface Run {
  readonly seed: number;
  readonly wrongs: readonly string[];
  readonly moves: number;
  readonly isClosed: boolean;
  readonly pausedMsMax: number;
  readonly frames: number;
}

const STEPS = 120;
/** All frames are looked at each time. */
const CHECKED_EVERY = 10;
const HEAL_MS = 30_000;

/**
 * A client and its servers send all the time, while drains, deaths and closes come by chance.
 * `isCalm`: only drains, and servers that go when they are asked. At the end everything is well
 * again, and the client must have an upstream that answers, unless it was told.
 */
export function run(seed: number, profile: Profile, isCalm: boolean): Run {
  const random = createSeededRandom(seed);
  const draw = random.fork("script");
  let isHealed = false;
  const fate = (): HomeFate => {
    const delayMs = draw.pick([1, 2, 5, 20, 80]);
    if (isHealed || isCalm || draw.chance(0.6)) return { opens: "well", delayMs };
    const opens = draw.pick(["well", "well", "refused", "unwanted", "hangs"] as const);
    return { opens, delayMs, silent: draw.chance(0.2), ignoresClose: draw.chance(0.3) };
  };
  const limits: Partial<HeldLimits> = { waitingBytesMax: draw.pick([1000, 4000, 256 * 1024]) };
  const backend = (): Backend => ({ received: () => {} });
  const world = new World({ profile, random, limits, backend, fate });
  let sent = 0;
  const found: string[] = [];
  for (let step = 0; step < STEPS && found.length === 0; step++) {
    if (draw.chance(0.7)) world.fromClient(`c${sent++}`);
    if (draw.chance(0.5)) world.push((home, index) => `s${home}.${index}`);
    if (draw.chance(0.1)) world.held.move(draw.pick(["drain", "rebalance"]), draw.int(5000));
    if (!isCalm && draw.chance(0.03)) world.kill();
    if (!isCalm && draw.chance(0.02)) world.closeHome(draw.pick([1001, 1012, 1000, 4001]));
    if (!isCalm && draw.chance(0.003)) world.leave(draw.pick([1000, 1006]));
    world.clock.advance(draw.pick([0, 1, 3, 10, 50, 400]));
    if (step % CHECKED_EVERY === 0) found.push(...wrongs(world, false));
  }
  isHealed = true;
  world.clock.advance(HEAL_MS);
  found.push(...wrongs(world, isCalm));
  if (!world.held.isOver) {
    if (world.held.isMoving) found.push("no upstream, though all are well");
    if (world.paused) found.push("the client is read no further, though all are well");
    if (world.roomTaken !== 0) found.push(`${world.roomTaken} bytes still wait`);
  } else if (isCalm) found.push(`G3: closed with ${world.closed?.code} though only drains came`);
  if (world.clock.waiting() > 0) found.push(`${world.clock.waiting()} timers are left`);
  return {
    ...{ seed, wrongs: found, moves: world.moves.length, isClosed: world.closed !== undefined },
    pausedMsMax: Math.max(0, ...world.moves.map(({ pausedMs }) => pausedMs)),
    frames: sent,
  };
}
