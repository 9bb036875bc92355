// Owns: clients that ask for much and read nothing for a while, on bare TCP.
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import type { GatewayStep } from "./step.ts";

const SLOW_CLIENTS = 10;
const STALLED_MS = 5000;
const READ_MS = 15_000;
const LOOK_MS = 50;
/** As the servers of the proof send it. */
const FLOOD_FRAMES = 400;

class SlowClient {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  #isUpgraded = false;
  #next = 1;
  /** Frames of the flood that came, in order. */
  frames = 0;
  isWrong = false;
  closed: number | undefined;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#socket = connect(Number(port), hostname);
    const key = randomBytes(16).toString("base64");
    this.#socket.write(
      `GET / HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
    this.#socket.on("data", (bytes) => this.#read(bytes));
    this.#socket.on("error", () => {});
    this.#socket.on("close", () => {
      this.closed ??= 1006;
    });
  }

  get isDone(): boolean {
    return this.frames === FLOOD_FRAMES || this.closed !== undefined;
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    if (!this.#isUpgraded) return this.#upgraded();
    for (;;) {
      const frame = firstFrame(this.#bytes);
      if (frame === undefined) return;
      this.#bytes = this.#bytes.subarray(frame.bytes);
      this.#frame(frame);
    }
  }

  #upgraded(): void {
    const end = this.#bytes.indexOf("\r\n\r\n");
    if (end < 0) return;
    this.#isUpgraded = true;
    this.#bytes = this.#bytes.subarray(end + 4);
    this.#socket.write(maskedText("flood"));
    this.#socket.pause();
  }

  #frame({ opcode, payload }: { readonly opcode: number; readonly payload: Buffer }): void {
    if (opcode === 8) this.closed = payload.length > 1 ? payload.readUInt16BE(0) : 1005;
    if (opcode !== 1) return;
    const number = /"flood": ?(\d+)/.exec(payload.toString("utf8", 0, 40))?.[1];
    if (number === undefined) return;
    if (Number(number) !== this.#next) this.isWrong = true;
    this.#next = Number(number) + 1;
    this.frames += 1;
  }
}

/** Of a server, so without a mask. Undefined: it is not whole yet. */
function firstFrame(
  bytes: Buffer,
): { readonly opcode: number; readonly payload: Buffer; readonly bytes: number } | undefined {
  if (bytes.length < 2) return undefined;
  const short = (bytes[1] ?? 0) & 127;
  const head = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < head) return undefined;
  const length =
    short === 126 ? bytes.readUInt16BE(2) : short === 127 ? bytes.readUInt32BE(6) : short;
  if (bytes.length < head + length) return undefined;
  const payload = bytes.subarray(head, head + length);
  return { opcode: (bytes[0] ?? 0) & 15, payload, bytes: head + length };
}

/** With a mask of zeros. */
function maskedText(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

export const slowClients: GatewayStep = {
  name: "slow-clients",
  title: `${SLOW_CLIENTS} clients ask for much, and read nothing for ${STALLED_MS / 1000} s`,
  kind: "drain",
  wantsFlood: true,
  async run({ front, note, fail, pace }) {
    const before = front.memoryBytes();
    const slow = Array.from({ length: SLOW_CLIENTS }, () => new SlowClient(front.url));
    await Bun.sleep(STALLED_MS * pace);
    const megabytes = (front.memoryBytes() - before) / 1e6;
    note(`memory before the servers grew by ${megabytes.toFixed(1)} MB meanwhile`);
    for (const one of slow) one.resume();
    const untilMs = performance.now() + READ_MS;
    while (!slow.every(({ isDone }) => isDone) && performance.now() < untilMs)
      await Bun.sleep(LOOK_MS);
    const whole = slow.filter(({ frames, isWrong }) => frames === FLOOD_FRAMES && !isWrong);
    const closed = slow.filter((one) => one.closed !== undefined && !whole.includes(one));
    note(
      `${whole.length} of them got all ${FLOOD_FRAMES} frames in order, ${closed.length} were closed`,
    );
    for (const { isWrong, isDone, frames } of slow) {
      if (isWrong) fail("a slow client misses frames between others");
      if (!isDone) fail(`a slow client got ${frames} of ${FLOOD_FRAMES} frames, and no close`);
    }
    for (const one of slow) one.end();
  },
};
