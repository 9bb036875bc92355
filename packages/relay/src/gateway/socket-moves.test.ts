// A HoldfastSocket and the gateways that hold it, under seeds: they end, die, refuse and hang.
import { expect, setDefaultTimeout, test } from "bun:test";
import { stateless } from "@holdfast/rehoming";
import { createSeededRandom } from "@holdfast/testkit";
import { patience } from "../../../../test/patience.ts";
import { SocketWorld } from "./testing/socket-world.ts";

setDefaultTimeout(patience(60_000));
const STEPS = 100;
const HEAL_MS = 120_000;
const numberOf = (frame: unknown) => Number(String(frame).slice(1));
const isRising = (numbers: readonly number[]) =>
  numbers.every((one, i) => i === 0 || one > (numbers[i - 1] ?? 0));

interface Run {
  readonly wrongs: readonly string[];
  readonly moves: number;
  readonly reconnects: number;
  readonly isClosed: boolean;
}

function run(seed: number, isCalm: boolean, reconnects: boolean): Run {
  const random = createSeededRandom(seed);
  const draw = random.fork("script");
  // What a server that dies had taken is lost, as with any move of a stateless application.
  const doServersDie = !isCalm && seed % 2 === 0;
  // Until the first socket is open, and at the end.
  let isHealed = true;
  const world = new SocketWorld({
    ...{ profile: stateless, random },
    rules: {
      bufferBytesMax: 4000,
      reconnect: reconnects ? { attemptsMax: 20, msMax: 60_000 } : undefined,
    },
    delayMs: () => draw.pick([1, 2, 5, 20, 80]),
    opens: () =>
      isHealed || isCalm || draw.chance(0.7) ? "well" : draw.pick(["refused", "hangs"]),
  });
  world.clock.advance(500);
  isHealed = false;
  let sent = 0;
  for (let step = 0; step < STEPS; step++) {
    if (draw.chance(0.7) && world.engine.readyState === 1) world.engine.send(`c${sent++}`);
    if (draw.chance(0.5)) world.push();
    if (draw.chance(0.05)) world.drain();
    if (draw.chance(0.05)) world.rebalance();
    if (doServersDie && draw.chance(0.02)) world.killServer();
    if (!isCalm && draw.chance(0.01)) world.kill();
    if (!isCalm && draw.chance(0.02)) world.cut();
    world.clock.advance(draw.pick([0, 1, 3, 10, 50, 400]));
  }
  isHealed = true;
  world.clock.advance(HEAL_MS);
  const { told, upstreams, got } = world;
  const wrongs: string[] = [];
  const isClosed = world.engine.readyState === 3;
  const reached = world.reached.map(numberOf);
  // A gateway that lost its client still delivers what it has, also behind what came elsewhere.
  const isOrdered = told.includes("reconnect")
    ? new Set(reached).size === reached.length
    : isRising(reached);
  if (!isOrdered) wrongs.push(`G1: frames reached servers as ${reached.join(" ")}`);
  const heard = got.map((frame) => frame.slice(1).split(".").map(Number) as [number, number]);
  // One server after the other, and each from its first to its last.
  const order = [...new Set(heard.map(([server]) => server))];
  if (!isRising(heard.map(([server, index]) => 1e6 * order.indexOf(server) + index)))
    wrongs.push(`G1: the client heard ${got.join(" ")}`);
  const isDeclared = isClosed || told.includes("reconnect") || doServersDie;
  if (reached.length < sent && !isDeclared)
    wrongs.push(`G2: ${sent - reached.length} of ${sent} frames reached nobody, in silence`);
  const closes = told.filter((one) => one.startsWith("close")).length;
  if (closes !== (isClosed ? 1 : 0)) wrongs.push(`closed ${closes} times: ${told.join(", ")}`);
  if (isCalm && (isClosed || told.includes("reconnect")))
    wrongs.push(`G6: ${told.join(", ")} though gateways only drained`);
  if (isCalm) {
    const owed = upstreams.filter(({ received }) => received.length > 0);
    for (const { sent: said } of owed) {
      const from = got.indexOf(said.find((one) => got.includes(one)) ?? "");
      const all = said.filter((one) => got.includes(one)).length;
      if (all < said.length) wrongs.push(`G1: of ${said.length} ${all} heard, from ${from}`);
    }
  }
  if (!isClosed) {
    world.engine.send("c9999999");
    world.clock.advance(5000);
    if (world.reached.at(-1) !== "c9999999") wrongs.push("it is open, and nobody hears it");
  }
  world.engine.close(1000);
  world.clock.advance(60_000);
  if (world.roomTaken !== 0) wrongs.push(`G4: ${world.roomTaken} bytes of room leaked`);
  if (world.clock.waiting() > 0) wrongs.push(`${world.clock.waiting()} timers are left`);
  const count = (what: string) => told.filter((one) => one === what).length;
  return { wrongs, moves: count("move"), reconnects: count("reconnect"), isClosed };
}

function sweep(from: number, count: number, isCalm: boolean, reconnects: boolean) {
  const sum = { moves: 0, reconnects: 0, closed: 0 };
  for (let seed = from; seed < from + count; seed++) {
    const { wrongs, ...result } = run(seed, isCalm, reconnects);
    expect({ seed, wrongs }).toEqual({ seed, wrongs: [] });
    sum.moves += result.moves;
    sum.reconnects += result.reconnects;
    sum.closed += result.isClosed ? 1 : 0;
  }
  return sum;
}

test("G6: 1,000 seeds with drains alone: nothing is lost, doubled or reordered, nobody is closed", () => {
  expect(sweep(1, 1000, true, false).moves).toBeGreaterThan(2000);
});

test("1,000 seeds with deaths, refusals and cuts: what is lost is told by a close", () => {
  const { moves, closed } = sweep(10_001, 1000, false, false);
  expect(moves).toBeGreaterThan(500);
  expect(closed).toBeGreaterThan(300);
});

test("1,000 seeds with reconnects: what is lost is told by an event, and it is heard at the end", () => {
  const { reconnects, closed } = sweep(20_001, 1000, false, true);
  expect(reconnects).toBeGreaterThan(500);
  expect(closed).toBeLessThan(100);
});
