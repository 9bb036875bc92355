// Owns: Socket.IO packets inside of Engine.IO messages (protocols 5 and 4).

export const CONNECT = 0;
export const DISCONNECT = 1;
export const EVENT = 2;
export const ACK = 3;
export const CONNECT_ERROR = 4;
export const BINARY_EVENT = 5;
export const BINARY_ACK = 6;

export interface Packet {
  readonly type: number;
  /** Binary frames that follow and belong to it. */
  readonly attachments: number;
  readonly namespace: string;
  /** Of an event: an answer is wanted. Of an ack: what it answers. */
  readonly id: number | undefined;
  /** JSON, or empty. */
  readonly data: string;
}

const SHAPE = /^4([0-6])(?:(\d+)-)?(?:(\/[^,]*),?)?(\d+)?/;

/** Undefined: it is none. The JSON in it is not looked at. */
export function packetOf(frame: string): Packet | undefined {
  const found = SHAPE.exec(frame);
  if (found === null) return undefined;
  const [head, type, attachments, namespace, id] = found;
  return {
    type: Number(type),
    attachments: Number(attachments ?? 0),
    namespace: namespace ?? "/",
    id: id === undefined ? undefined : Number(id),
    data: frame.slice(head.length),
  };
}

export function frameOf({ type, attachments, namespace, id, data }: Packet): string {
  const count = attachments > 0 ? `${attachments}-` : "";
  return `4${type}${count}${namespace === "/" ? "" : `${namespace},`}${id ?? ""}${data}`;
}

/** Of a JSON object; empty if it is none. */
export function objectOf(data: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}

/**
 * The last argument of an event, if it is a text: servers with connection state recovery add the
 * event's offset there.
 */
export function offsetOf(data: string): string | undefined {
  if (!data.endsWith('"]')) return undefined;
  try {
    const last: unknown = JSON.parse(data).at(-1);
    return typeof last === "string" ? last : undefined;
  } catch {
    return undefined;
  }
}
