// Checks every profile against clients and servers that say anything: nothing throws, what is kept
// is bounded, and each client hears its own server alone.
import { expect, setDefaultTimeout, test } from "bun:test";
import { createSeededRandom } from "@holdfast/testkit";
import { patience } from "../../../test/patience.ts";
import { DIALECTS, type Dialect, mutated } from "./testing/hostile-frames.ts";
import { World } from "./testing/world.ts";

setDefaultTimeout(patience(120_000));

/** Of both sides together, and of all dialects: more than a million. */
const FRAMES = 130_000;
const OF_ONE_CLIENT = 100;
const WAITING_BYTES_MAX = 20_000;

interface Seen {
  frames: number;
  closed: number;
  moved: number;
}

/** A client and its servers, until it is closed or has said enough. */
function life(dialect: Dialect, seed: number, seen: Seen): void {
  const { profile, client, server, begins = [], greets = [] } = dialect;
  const random = createSeededRandom(seed);
  const draw = random.fork("script");
  const world = new World({
    ...{ profile, random, limits: { waitingBytesMax: WAITING_BYTES_MAX } },
    backend: () => ({
      opened(send) {
        // Most servers begin as they should: otherwise no client would get far.
        if (draw.chance(0.8)) for (const frame of greets) send(frame);
      },
      received: () => {},
    }),
    fate: () => ({ opens: draw.chance(0.9) ? "well" : "refused", delayMs: 2 }),
  });
  if (draw.chance(0.8)) for (const frame of begins) world.fromClient(frame);
  world.clock.advance(20);
  const isRude = draw.chance(0.5);
  for (let i = 0; i < OF_ONE_CLIENT && world.closed === undefined; i++) {
    // One side alone lives longer: a client that breaks its own protocol is closed soon.
    if (isRude || draw.chance(0.1)) world.fromClient(mutated(client, draw));
    if (!isRude || draw.chance(0.1)) world.push(() => mutated(server, draw));
    seen.frames += 1;
    if (draw.chance(0.03)) world.held.move("drain", 1000);
    if (draw.chance(0.01)) world.kill();
    if (draw.chance(0.01)) world.closeHome(draw.pick([1000, 1001, 1012, 4001, 4400]));
    world.clock.advance(draw.pick([0, 1, 5, 50]));
    if (world.roomTaken > WAITING_BYTES_MAX) throw new Error(`${world.roomTaken} bytes are kept`);
    if (world.clock.waiting() > 200) throw new Error(`${world.clock.waiting()} timers wait`);
  }
  seen.moved += world.moves.length;
  if (world.closed !== undefined) seen.closed += 1;
  if (world.closed !== undefined && !mayBeSent(world.closed))
    throw new Error(`closed with ${JSON.stringify(world.closed)}`);
  world.leave(1000);
  world.clock.advance(120_000);
  if (world.roomTaken !== 0) throw new Error(`${world.roomTaken} bytes are left`);
  if (world.clock.waiting() > 0) throw new Error(`${world.clock.waiting()} timers are left`);
}

const mayBeSent = ({ code, reason }: { readonly code: number; readonly reason: string }): boolean =>
  ((code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) ||
    (code >= 3000 && code <= 4999)) &&
  Buffer.byteLength(reason) <= 123;

test.each(DIALECTS.map((dialect) => [dialect.name, dialect] as const))(
  "%s: broken frames of both sides end at most that client",
  (_, dialect) => {
    const seen: Seen = { frames: 0, closed: 0, moved: 0 };
    for (let seed = 1; seen.frames < FRAMES; seed++) {
      try {
        life(dialect, seed, seen);
      } catch (cause) {
        throw new Error(`seed ${seed}: ${(cause as Error).message}`, { cause });
      }
    }
    // Otherwise nothing was tried.
    expect(seen.moved).toBeGreaterThan(0);
  },
);

test("nothing of one client reaches another, whatever both of them say", () => {
  for (const { profile, client, server } of DIALECTS) {
    const random = createSeededRandom(5);
    const draw = random.fork("script");
    const marked = (name: string, frames: Dialect["client"]) =>
      frames.map((frame) => (typeof frame === "string" ? `${frame}${name}` : frame));
    const worlds = ["\u2603one", "\u2603two"].map((name) => ({
      name,
      client: marked(name, client),
      server: marked(name, server),
      world: new World({
        ...{ profile, random: random.fork(name) },
        backend: () => ({ received: () => {} }),
        fate: () => ({ opens: "well", delayMs: 2 }),
      }),
    }));
    for (let i = 0; i < 2000; i++)
      for (const one of worlds) {
        one.world.fromClient(draw.chance(0.5) ? draw.pick(one.client) : mutated(one.client, draw));
        one.world.push(() => draw.pick(one.server));
        if (draw.chance(0.02)) one.world.held.move("drain", 1000);
        one.world.clock.advance(draw.pick([0, 1, 5]));
      }
    const texts = (world: World) =>
      [...world.got, ...world.homes.flatMap(({ received }) => received)].map((frame) =>
        typeof frame === "string" ? frame : new TextDecoder().decode(frame),
      );
    const [one, two] = worlds;
    expect(texts(one?.world as World).filter((text) => text.includes("\u2603two"))).toEqual([]);
    expect(texts(two?.world as World).filter((text) => text.includes("\u2603one"))).toEqual([]);
  }
});
