// Owns: what one gateway tells the next of a client, as text that the client carries.
import type { Frame, Released } from "@holdfast/rehoming";

/** Of a client that moves, as its profile knows it. */
export interface SocketState extends Released {
  readonly profile: string;
  /** Its name. */
  readonly session: string;
}

/** Of the text. A client that has more is not moved. */
export const STATE_CHARS_MAX = 700 * 1024;
/** Of what stands around it in a message. */
const FRAME_BYTES = 1024;
const CONTROL_BYTES_MIN = 64 * 1024;

/** Longest message of a client: the application's, or one of this protocol. */
export const longestMessage = (messageBytesMax: number): number =>
  Math.max(messageBytesMax, CONTROL_BYTES_MIN);

/** Longest state, as text, that a gateway can read whose application's messages are so long. */
export const longestState = (messageBytesMax: number): number =>
  Math.min(STATE_CHARS_MAX, longestMessage(messageBytesMax) - FRAME_BYTES);

/** As JSON holds it. */
export function packState({ saved, ...rest }: SocketState): object {
  const frames = saved.map((frame) =>
    typeof frame === "string" ? frame : { b: Buffer.from(frame).toString("base64") },
  );
  return { ...rest, frames };
}

/** Undefined: it is none. Whoever wrote it may be anybody. */
export function unpackState(found: unknown): SocketState | undefined {
  const { profile, session, isWhole, frames } = Object(found);
  const areTexts = typeof profile === "string" && typeof session === "string";
  if (!areTexts || typeof isWhole !== "boolean" || !Array.isArray(frames)) return undefined;
  try {
    return { profile, session, isWhole, saved: frames.map(frameOf) };
  } catch {
    return undefined;
  }
}

/** Throws if it is none. */
function frameOf(found: unknown): Frame {
  if (typeof found === "string") return found;
  const { b } = Object(found);
  if (typeof b !== "string") throw new TypeError("a frame is text, or bytes in base64");
  return new Uint8Array(Buffer.from(b, "base64"));
}
