// Owns: holdfast.socket.v1: what a gateway and a client say to each other beside the application's
// messages (spec/socket.md).

/** Begins every subprotocol that is offered for a gateway alone. No application sees one. */
const OURS = "holdfast.socket.";
const OFFER = /^holdfast\.socket\.v1(\.move)?\+[0-9a-z]{16,40}(?:\.([\w-]{1,400}))?$/;

/** What a client offers: with it each message of this protocol begins, on this socket alone. */
export interface SocketOffer {
  readonly name: string;
  /** The client comes from another gateway, and brings what that one knows of it. */
  readonly isMove: boolean;
  /** What that gateway gave it to show. */
  readonly ticket: string | undefined;
}

/** Of a gateway. */
export type ToSocket =
  | { readonly type: "hello"; readonly windowMs: number }
  | { readonly type: "window"; readonly windowMs: number }
  | { readonly type: "move"; readonly withinMs: number; readonly ticket?: string }
  | { readonly type: "turn" }
  | { readonly type: "state"; readonly state: string }
  | { readonly type: "retry"; readonly afterMs: number; readonly windowMs: number };

/** Of a client. */
export type ToGateway =
  | { readonly type: "opened" }
  | { readonly type: "wait" }
  | { readonly type: "leave" }
  | { readonly type: "state"; readonly state: string };

/**
 * `nonce`: 16 to 40 of 0-9 and a-z, which nobody can guess. `ticket`: of a client that moves. If it
 * is empty, the client was given none.
 */
export const offerOf = (nonce: string, ticket?: string): string => {
  const isTicket = /^[\w-]{1,400}$/.test(ticket ?? "");
  return `${OURS}v1${ticket === undefined ? "" : ".move"}+${nonce}${isTicket ? `.${ticket}` : ""}`;
};

/** What a client offers its gateway, and what it offers the application. */
export function readOffer(protocols: readonly string[]): {
  readonly offer: SocketOffer | undefined;
  readonly protocols: readonly string[];
} {
  const name = protocols.find((one) => OFFER.test(one));
  const [, move, ticket] = OFFER.exec(name ?? "") ?? [];
  return {
    offer: name === undefined ? undefined : { name, isMove: move !== undefined, ticket },
    protocols: protocols.filter((one) => !one.startsWith(OURS)),
  };
}

/** A message of this protocol as it is sent. */
export const controlText = (offer: string, message: ToSocket | ToGateway): string =>
  `${offer} ${JSON.stringify(message)}`;

/**
 * What a message says. Undefined: it is the application's. An object without a known `type` is to
 * be ignored: a later version may say more.
 */
export function readControl(
  offer: string,
  data: unknown,
): Readonly<Record<string, unknown>> | undefined {
  if (typeof data !== "string" || offer === "" || !data.startsWith(`${offer} `)) return undefined;
  try {
    return Object(JSON.parse(data.slice(offer.length)));
  } catch {
    return {};
  }
}
