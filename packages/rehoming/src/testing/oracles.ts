// Owns: what must hold for a held client after any run (G1 to G5).
import type { Frame } from "../frame.ts";
import type { World } from "./world.ts";

/** Frames are numbered: `c0`, `c1`, ... of the client, `s<home>.0`, ... of a server. */
const numberOf = (frame: Frame): number => Number(String(frame).slice(1));
const isRising = (numbers: readonly number[]): boolean =>
  numbers.every((value, i) => i === 0 || value > (numbers[i - 1] ?? 0));

/** What is wrong, in words. Empty: nothing. `isCalm`: no server died and none was slow to go. */
export function wrongs(world: World, isCalm: boolean): readonly string[] {
  return [...ofClientFrames(world, isCalm), ...ofServerFrames(world), ...ofLimits(world)];
}

/** Each reaches one server at most, in order; those that reached none are counted or were lost. */
function* ofClientFrames(world: World, isCalm: boolean): Generator<string> {
  const reached = world.homes.flatMap(({ received }) => received.map(numberOf));
  if (!isRising(reached)) yield `G1: frames reached servers as ${reached.join(" ")}`;
  const lost = world.offered - world.dropped - reached.length;
  if (lost < 0) yield `G2: ${-lost} frames both reached a server and were counted as dropped`;
  if (isCalm && lost > 0) yield `G2: ${lost} frames reached nobody, and nobody was told`;
  if (world.dropped > 0 && world.closed === undefined && !world.hasLeft)
    yield `G2: ${world.dropped} frames were dropped, and the client was not told`;
}

/** Each server's in order and once, the former one's before the next one's. */
function* ofServerFrames(world: World): Generator<string> {
  const parts = world.got.map((frame) => String(frame).slice(1).split(".").map(Number));
  const homes = parts.map(([home = 0]) => home);
  if (!homes.every((home, i) => i === 0 || home >= (homes[i - 1] ?? 0)))
    yield `G1: the client heard servers in turns: ${homes.join(" ")}`;
  for (const { id, handedIn } of world.homes) {
    const heard = world.got.filter((frame) => String(frame).startsWith(`s${id}.`));
    const handed = handedIn.map(String);
    if (heard.some((frame, i) => frame !== handed[i]))
      yield `G1: of home ${id} the client heard ${heard.join(" ")}, it was handed ${handed.join(" ")}`;
    const isLast = id === homes.at(-1);
    if (heard.length > 0 && heard.length < handed.length && !isLast && world.closed === undefined)
      yield `G2: of home ${id} the client heard ${heard.length} of ${handed.length}`;
  }
}

function* ofLimits(world: World): Generator<string> {
  const open = world.homes.filter(({ state }) => state === "open" || state === "opening");
  if (open.length > 2) yield `${open.length} upstreams at once`;
  if (world.roomTaken < 0) yield `G4: more room was given than taken: ${-world.roomTaken}`;
  // The client's frames, the profile's, and the next one's.
  if (world.roomTakenMax > 3 * world.limits.waitingBytesMax)
    yield `G4: ${world.roomTakenMax} bytes waited`;
  if (!world.held.isOver) return;
  if (world.roomTaken !== 0) yield `G4: ${world.roomTaken} bytes of room leaked`;
  if (open.length > 0) yield `${open.length} upstreams are open behind a client that is gone`;
}
