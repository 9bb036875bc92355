// Owns: the game's boats and buoys, and how they pass from one process to the next: by a folder in
// which each process has a file. It stands for the store that such games have, say Redis.
import { readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const WIDTH = 320;
export const HEIGHT = 180;
const BUOYS = 6;
const REACH = 10;
/** Units in a second. */
const SPEED = 70;
const BOATS_MAX = 200;
/** Inputs that are kept for a boat which its former process has not let go. */
const INPUTS_MAX = 100;
/** A process that has not written for so long is taken for dead. */
const STALE_MS = 1000;
/** A boat that its process let go is shown for so long: the next one takes it within that time. */
const BETWEEN_MS = 500;
/** A boat without a client is kept for so long. */
const KEPT_MS = 60_000;

export class World {
  #folder;
  #file;
  #nowMs;
  #isRunning;
  /** By id. `isHere`: this process steers it. */
  #boats = new Map();
  /** Clients whose boat is elsewhere, or not looked for yet: their names and inputs. */
  #arrivals = new Map();
  /** How often each buoy was taken. Of two processes, the higher number is right. */
  #taken = new Array(BUOYS).fill(0);
  /** What other processes wrote. The boats of dead ones are not here. */
  #others = [];

  constructor(folder, { pid = process.pid, nowMs = Date.now, isRunning = isProcess } = {}) {
    this.#folder = folder;
    this.#file = `${pid}.json`;
    this.#nowMs = nowMs;
    this.#isRunning = isRunning;
  }

  /** False: there are too many. */
  arrive(id, name) {
    if (this.#boats.size + this.#arrivals.size >= BOATS_MAX) return false;
    if (!this.#boats.get(id)?.isHere) this.#arrivals.set(id, { name, inputs: [] });
    return true;
  }

  steer(id, input) {
    const boat = this.#boats.get(id);
    if (boat?.isHere) return steered(boat, input);
    const inputs = this.#arrivals.get(id)?.inputs;
    if (inputs !== undefined && inputs.length < INPUTS_MAX) inputs.push(input);
  }

  /** At once, so that the next process need not wait. */
  leave(id) {
    this.#arrivals.delete(id);
    const boat = this.#boats.get(id);
    if (!boat?.isHere) return;
    Object.assign(boat, { isHere: false, atMs: this.#nowMs() });
    this.#save();
  }

  /** Boats that this process steers. */
  ids() {
    return this.#own().map(([id]) => id);
  }

  /** Gives clients their boats, if no other process has them. Ids of those that got one. */
  takeOver() {
    if (this.#arrivals.size === 0) return [];
    this.#look();
    const came = [];
    for (const [id, { name, inputs }] of this.#arrivals) {
      if (this.#others.some(({ boats }) => boats.get(id)?.isHere)) continue;
      const boat = this.#last(id) ?? this.#launch();
      Object.assign(boat, { name, isHere: true });
      this.#boats.set(id, boat);
      this.#arrivals.delete(id);
      for (const input of inputs) steered(boat, input);
      came.push(id);
    }
    if (came.length > 0) this.#save();
    return came;
  }

  tick(seconds) {
    const nowMs = this.#nowMs();
    for (const [id, { isHere, atMs }] of this.#boats)
      if (!isHere && nowMs - atMs > KEPT_MS) this.#boats.delete(id);
    const own = this.#own();
    // A spare process leaves the folder alone.
    if (own.length === 0) return;
    this.#look();
    for (const [, boat] of own) {
      boat.atMs = nowMs;
      boat.x = within(boat.x + boat.heading[0] * SPEED * seconds, WIDTH);
      boat.y = within(boat.y + boat.heading[1] * SPEED * seconds, HEIGHT);
      for (const [buoy, [x, y]] of this.#buoys().entries()) {
        if (Math.hypot(boat.x - x, boat.y - y) > REACH) continue;
        this.#taken[buoy] += 1;
        boat.score += 1;
      }
    }
    this.#save();
  }

  /** What clients see: also boats of other processes, while clients move from there to here. */
  snapshot() {
    const nowMs = this.#nowMs();
    const shown = [...new Map([...this.#boats, ...this.#otherBoats(), ...this.#own()])]
      .filter(([, { isHere, atMs }]) => isHere || nowMs - atMs < BETWEEN_MS)
      .map(([id, { name, x, y, heading, score, seq, missed }]) => {
        return { id, name, x: Math.round(x), y: Math.round(y), heading, score, seq, missed };
      });
    return { boats: shown, buoys: this.#buoys() };
  }

  #own() {
    return [...this.#boats].filter(([, { isHere }]) => isHere);
  }

  #buoys() {
    return this.#taken.map((times, buoy) => [
      20 + spread(2 * buoy, times) * (WIDTH - 40),
      20 + spread(2 * buoy + 1, times) * (HEIGHT - 40),
    ]);
  }

  #launch() {
    const at = (size) => 20 + Math.random() * (size - 40);
    const none = { seq: 0, missed: 0, score: 0 };
    return { ...{ x: at(WIDTH), y: at(HEIGHT), heading: [0, 0], atMs: this.#nowMs() }, ...none };
  }

  /** The boat as the process left it that had it last. */
  #last(id) {
    const own = this.#boats.get(id);
    const other = this.#otherBoats().get(id);
    return own !== undefined && (other === undefined || own.atMs >= other.atMs) ? own : other;
  }

  #otherBoats() {
    const newest = new Map();
    for (const [id, boat] of this.#others.flatMap(({ boats }) => [...boats]))
      if (!(boat.atMs < newest.get(id)?.atMs)) newest.set(id, boat);
    return newest;
  }

  #look() {
    this.#others = readdirSync(this.#folder)
      .filter((file) => file.endsWith(".json") && file !== this.#file)
      .flatMap((file) => this.#read(join(this.#folder, file)) ?? []);
    for (const { taken } of this.#others)
      this.#taken = this.#taken.map((times, buoy) => Math.max(times, taken[buoy] ?? 0));
  }

  /** What another process wrote. Undefined: it is of no use any more. */
  #read(path) {
    try {
      const { pid, atMs, taken, boats } = JSON.parse(readFileSync(path, "utf8"));
      const agoMs = this.#nowMs() - atMs;
      const isAlive = agoMs < STALE_MS && this.#isRunning(pid);
      if (!isAlive && agoMs > KEPT_MS) unlinkSync(path);
      const all = Object.entries(boats).map(([id, boat]) => {
        return [id, { ...boat, isHere: boat.isHere && isAlive }];
      });
      return { taken, boats: new Map(all) };
    } catch (error) {
      // A third process was faster.
      if (error.code === "ENOENT") return undefined;
      throw error;
    }
  }

  /** Whole or not at all: another process may read it now. */
  #save() {
    const path = join(this.#folder, this.#file);
    const boats = Object.fromEntries(this.#boats);
    const pid = Number.parseInt(this.#file, 10);
    const content = { pid, atMs: this.#nowMs(), taken: this.#taken, boats };
    writeFileSync(`${path}.new`, JSON.stringify(content));
    renameSync(`${path}.new`, path);
  }
}

/** Inputs are numbered, so that what is missing can be counted. */
function steered(boat, { seq, heading: [x, y] }) {
  if (boat.seq > 0 && seq > boat.seq + 1) boat.missed += seq - boat.seq - 1;
  boat.seq = Math.max(boat.seq, seq);
  const length = Math.max(1, Math.hypot(x, y));
  boat.heading = [x / length, y / length];
}

const within = (at, size) => Math.min(size - 4, Math.max(4, at));

/** The same in each process: between 0 and 1, by chance. */
function spread(kind, times) {
  const mixed = Math.sin(kind * 127.1 + times * 311.7 + 7) * 43_758.5453;
  return mixed - Math.floor(mixed);
}

function isProcess(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
