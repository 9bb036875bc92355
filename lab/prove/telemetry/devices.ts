// Owns: a process of devices: a share of them, their pace, and the log of what nodes acknowledged.
import { appendFileSync } from "node:fs";
import { answerCommands } from "@holdfast/load/processes";
import { encodeIntoCompressedBase64 } from "hdr-histogram-js";
import { newHistogram, record } from "../figures.ts";
import { tokenOf } from "../rivals/holdfast.ts";
import { ACK_BYTES, type Ack, writeAck } from "./ack-log.ts";
import { Device, type DeviceCount, type DeviceGround, type Target } from "./device.ts";
import { type DevicesFigures, ROUND_TRIP_UNIT_MS } from "./device-counts.ts";

export interface DevicesStart {
  readonly seed: number;
  readonly sites: number;
  /** Numbers of its devices. */
  readonly indexes: readonly number[];
  readonly logFile: string;
  readonly targets: readonly Target[];
}

const TICK_MS = 4;
const LOOK_MS = 250;
const PING_MS = 10_000;
const FLUSH_ACKS = 512;

const noCounts = (): Record<DeviceCount, number> => ({
  ...{ connects: 0, sessionsLost: 0, again: 0, refusedConnects: 0, refusedEvents: 0 },
  ...{ silent: 0, closed: 0, moved: 0, notMade: 0 },
});

class Devices {
  readonly #devices: readonly Device[];
  readonly #ground: DeviceGround;
  readonly #counts = noCounts();
  readonly #acks = Buffer.alloc(FLUSH_ACKS * ACK_BYTES);
  readonly #logFile: string;
  #buffered = 0;
  #acknowledged = 0;
  #made = 0;
  #roundTrips = newHistogram();
  #pacer: ReturnType<typeof setInterval> | undefined;

  constructor({ seed, sites, indexes, logFile, targets }: DevicesStart) {
    this.#logFile = logFile;
    const tokens = new Map<string, string>();
    this.#ground = {
      ...{ seed, sites, targets },
      token: (clientId) => {
        const known = tokens.get(clientId) ?? tokenOf(clientId);
        tokens.set(clientId, known);
        return known;
      },
      acknowledged: (ack, roundTripMs) => this.#ack(ack, roundTripMs),
      count: (what) => {
        this.#counts[what] += 1;
      },
    };
    this.#devices = indexes.map((index) => new Device(index, this.#ground));
    setInterval(() => {
      const nowMs = performance.now();
      for (const device of this.#devices) device.look(nowMs);
    }, LOOK_MS);
    setInterval(() => {
      for (const device of this.#devices) device.ping();
    }, PING_MS);
  }

  /** Resolves when all are connected, or after `withinMs`. */
  async connect(withinMs: number): Promise<void> {
    for (const device of this.#devices) {
      device.connect();
      await Bun.sleep(3);
    }
    const untilMs = performance.now() + withinMs;
    while (this.#devices.some(({ isConnected }) => !isConnected) && performance.now() < untilMs)
      await Bun.sleep(20);
  }

  target(targets: readonly Target[]): void {
    this.#ground.targets = targets;
  }

  /** Events of all devices in turn, at an even pace that a late turn does not shift. */
  begin(perSecond: number, isDirect: boolean): void {
    this.pause();
    const startMs = Date.now();
    const everyMs = 1000 / perSecond;
    let count = 0;
    this.#pacer = setInterval(() => {
      for (const nowMs = Date.now(); startMs + (count + 1) * everyMs <= nowMs; ) {
        count += 1;
        this.#made += 1;
        const madeMs = Math.round((startMs + count * everyMs) * 10) / 10;
        this.#devices[count % this.#devices.length]?.make(madeMs, isDirect);
      }
    }, TICK_MS);
  }

  pause(): void {
    clearInterval(this.#pacer);
  }

  figures(): DevicesFigures {
    this.#flush();
    const roundTrips = this.#roundTrips;
    this.#roundTrips = newHistogram();
    return {
      connected: this.#devices.filter(({ isConnected }) => isConnected).length,
      acknowledged: this.#acknowledged,
      made: this.#made,
      pending: this.#devices.reduce((sum, { pending }) => sum + pending, 0),
      counts: { ...this.#counts },
      roundTrips: encodeIntoCompressedBase64(roundTrips),
    };
  }

  stop(): void {
    this.pause();
    for (const device of this.#devices) device.stop();
    this.#flush();
  }

  #ack(ack: Ack, roundTripMs: number): void {
    writeAck(this.#acks, this.#buffered * ACK_BYTES, ack);
    this.#buffered += 1;
    this.#acknowledged += 1;
    record(this.#roundTrips, roundTripMs / ROUND_TRIP_UNIT_MS);
    if (this.#buffered === FLUSH_ACKS) this.#flush();
  }

  #flush(): void {
    if (this.#buffered === 0) return;
    appendFileSync(this.#logFile, this.#acks.subarray(0, this.#buffered * ACK_BYTES));
    this.#buffered = 0;
  }
}

let devices: Devices | undefined;

const commands = {
  async start({ withinMs, ...options }: DevicesStart & { readonly withinMs: number }) {
    devices = new Devices(options);
    await devices.connect(withinMs);
  },
  targets: (targets: readonly Target[]): void => devices?.target(targets),
  begin: ({ perSecond, isDirect }: { readonly perSecond: number; readonly isDirect: boolean }) =>
    devices?.begin(perSecond, isDirect),
  pause: (): void => devices?.pause(),
  figures: (): DevicesFigures | undefined => devices?.figures(),
  stop: (): void => devices?.stop(),
};

export type DevicesCommands = typeof commands;
answerCommands(process, commands);
