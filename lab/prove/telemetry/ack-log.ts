// Owns: the log of acknowledged events: what the oracle believes. A record for each PUBACK.
import { readFileSync } from "node:fs";

export interface Ack {
  readonly device: number;
  readonly n: number;
  /** When the device made the event, in ms since the Unix epoch. */
  readonly madeMs: number;
  /** It went through the pipeline without a window. */
  readonly isDirect: boolean;
}

const DIRECT = 0x8000_0000;

export const ACK_BYTES = 16;

export function writeAck(into: Buffer, at: number, { device, n, madeMs, isDirect }: Ack): void {
  into.writeUInt32LE(isDirect ? device + DIRECT : device, at);
  into.writeUInt32LE(n, at + 4);
  into.writeDoubleLE(madeMs, at + 8);
}

export function* readAcks(path: string): Generator<Ack> {
  const bytes = readFileSync(path);
  for (let at = 0; at + ACK_BYTES <= bytes.length; at += ACK_BYTES) {
    const device = bytes.readUInt32LE(at);
    yield {
      device: device % DIRECT,
      isDirect: device >= DIRECT,
      n: bytes.readUInt32LE(at + 4),
      madeMs: bytes.readDoubleLE(at + 8),
    };
  }
}
