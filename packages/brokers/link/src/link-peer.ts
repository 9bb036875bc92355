// Owns: the supervisor's end of one node's link: the handshake, then the node's requests carried
// out on its view of the broker.
import type { Socket } from "node:net";
import {
  type Broker,
  BrokerError,
  type ChannelListener,
  type Clock,
  HISTORY_BYTES_MAX,
  MEMBERS_BYTES_MAX,
  type MemoryBroker,
} from "@holdfast/core";
import { createNonce, proofOf, sameProof } from "./link-auth.ts";
import { LinkSocket, type LinkSocketLimits } from "./link-socket.ts";
import { STATE_HANDLERS } from "./link-states.ts";
import {
  count,
  LINK,
  LINK_VERSION,
  LinkFault,
  type LinkMessage,
  memberWireBytes,
  optionalText,
  publicationWireBytes,
  readBus,
  readEnterOptions,
  readMember,
  readQuery,
  readRequest,
  readStream,
  text,
  wireBytes,
  writeBus,
  writeMember,
  writePage,
  writePublication,
  writeUsage,
} from "./link-wire.ts";

/** Largest frame of a peer that has not yet shown that it knows the secret. */
const STRANGER_FRAME_BYTES_MAX = 4096;

export interface LinkPeerOptions {
  readonly socket: Socket;
  readonly broker: MemoryBroker;
  readonly clock: Clock;
  readonly secret: string;
  readonly limits: LinkSocketLimits;
  /** How long the handshake may take. */
  readonly handshakeMs: number;
  readonly joined: (nodeId: string) => void;
  readonly ended: (nodeId: string | undefined, reason: string) => void;
}

type Handler = (
  peer: LinkPeer,
  view: Broker,
  fields: LinkMessage,
) => Promise<{ readonly result: unknown; readonly bytes: number }>;

/**
 * One node's connection. When it ends, its listeners are gone. Its members stay until its lease
 * ends: they belong to the node id, and the node may come back.
 */
export class LinkPeer {
  readonly #options: LinkPeerOptions;
  readonly #link: LinkSocket;
  readonly #nonce = createNonce();
  readonly #cancelHandshake: () => void;
  #view: Broker | undefined;
  #nodeId: string | undefined;

  constructor(options: LinkPeerOptions) {
    this.#options = options;
    this.#link = new LinkSocket({
      socket: options.socket,
      clock: options.clock,
      limits: options.limits,
      handlers: {
        message: (message) => this.#handle(message),
        ended: (reason) => this.#end(reason),
      },
    });
    this.#link.limitFrames(STRANGER_FRAME_BYTES_MAX);
    this.#cancelHandshake = options.clock.after(options.handshakeMs, () =>
      this.#link.cut("the handshake took too long"),
    );
    this.#link.send([LINK.challenge, LINK_VERSION, this.#nonce], 100);
  }

  /** Text may take three bytes for each of its units on the wire: so a page fits into a frame. */
  get pageBytesMax(): number {
    return this.#options.limits.frameBytesMax / 4;
  }

  cut(reason: string): void {
    this.#link.cut(reason);
  }

  send(message: LinkMessage, bytes: number): void {
    this.#link.send(message, bytes);
  }

  /** Subscribes the node's view; `number` names the subscription in every event. */
  async subscribe(view: Broker, fields: LinkMessage): Promise<readonly [string, number]> {
    const channel = text(fields[2]);
    const { epoch, offset } = await view.subscribe(
      channel,
      readStream(fields[3]),
      this.#listener(count(fields[4])),
    );
    return [epoch, offset];
  }

  #listener(number: number): ChannelListener {
    return {
      publication: (publication, epoch) =>
        this.send(
          [LINK.publication, number, epoch, writePublication(publication)],
          publicationWireBytes(publication),
        ),
      removed: (offset, epoch) => this.send([LINK.removed, number, epoch, offset], 64),
      presence: (change) => {
        if (change.kind === "leave")
          this.send(
            [LINK.presence, number, change.kind, change.member],
            wireBytes(undefined, change.member),
          );
        else
          this.send(
            [LINK.presence, number, change.kind, writeMember(change.member)],
            memberWireBytes(change.member),
          );
      },
    };
  }

  #handle(message: LinkMessage): void {
    const view = this.#view;
    if (view === undefined) return this.#greet(message);
    const [type, id] = message;
    if (type === LINK.unsubscribe) return view.unsubscribe(text(id));
    const handler = HANDLERS.get(type);
    if (handler === undefined) throw new LinkFault(`a message of type ${type}`);
    const requestId = count(id);
    // A handler reads its fields before it waits. If a field is wrong, the call throws, which ends
    // the connection; or it rejects, which is answered.
    handler(this, view, message).then(
      ({ result, bytes }) => this.#answer(requestId, result, bytes),
      (error: unknown) => this.#refuse(requestId, error),
    );
  }

  #answer(requestId: number, result: unknown, bytes: number): void {
    if (bytes > this.#options.limits.frameBytesMax)
      this.#refuse(
        requestId,
        new BrokerError("internal", "the answer is larger than a frame of the broker link"),
      );
    else this.send([LINK.ok, requestId, result], bytes);
  }

  #refuse(requestId: number, error: unknown): void {
    if (error instanceof BrokerError)
      this.send([LINK.failed, requestId, error.code, error.message], 64 + error.message.length);
    else this.cut(error instanceof Error ? error.message : "a request could not be carried out");
  }

  #greet([type, version, nodeId, nonce, proof]: LinkMessage): void {
    const { secret, broker, joined } = this.#options;
    if (type !== LINK.hello || version !== LINK_VERSION)
      throw new LinkFault("no hello of this version");
    const nonces = { supervisor: this.#nonce, node: text(nonce) };
    if (!sameProof(proofOf(secret, "node", nonces), text(proof)))
      throw new LinkFault("a wrong secret");
    this.#cancelHandshake();
    this.#nodeId = text(nodeId);
    this.#view = broker.connect(this.#nodeId);
    this.#view.bus.listen((message) => {
      const written = writeBus(message);
      this.send([LINK.heard, written], wireBytes(undefined, written));
    });
    this.#link.limitFrames(Number.POSITIVE_INFINITY);
    this.send([LINK.welcome, proofOf(secret, "supervisor", nonces)], 100);
    joined(this.#nodeId);
  }

  #end(reason: string): void {
    this.#cancelHandshake();
    void this.#view?.close();
    this.#options.ended(this.#nodeId, reason);
  }
}

const done = { result: null, bytes: 16 };

/** Fields: type, id, then the arguments of the port's method in its order. */
const HANDLERS: ReadonlyMap<number, Handler> = new Map<number, Handler>([
  [
    LINK.publish,
    async (_peer, view, fields) => {
      const { position, duplicate } = await view.publish(
        text(fields[2]),
        readStream(fields[3]),
        readRequest(fields[4]),
      );
      return { result: [position.epoch, position.offset, duplicate], bytes: 48 };
    },
  ],
  [
    LINK.subscribe,
    async (peer, view, fields) => ({ result: await peer.subscribe(view, fields), bytes: 48 }),
  ],
  [
    LINK.history,
    async (peer, view, fields) => {
      const query = readQuery(fields[4]);
      const page = await view.history(text(fields[2]), readStream(fields[3]), {
        ...query,
        bytesMax: Math.min(query.bytesMax ?? HISTORY_BYTES_MAX, peer.pageBytesMax),
      });
      const bytes = page.publications.reduce(
        (sum, publication) => sum + publicationWireBytes(publication),
        64,
      );
      return { result: writePage(page), bytes };
    },
  ],
  [
    LINK.removeHistory,
    async (_peer, view, fields) => {
      const { epoch, offset } = await view.removeHistory(text(fields[2]), readStream(fields[3]));
      return { result: [epoch, offset], bytes: 48 };
    },
  ],
  [
    LINK.channels,
    async (_peer, view, fields) => {
      const after = optionalText(fields[3]);
      const query = { prefix: text(fields[2]), limit: count(fields[4]) };
      const names = await view.channels(after === undefined ? query : { ...query, after });
      return { result: names, bytes: names.reduce((sum, name) => sum + 3 * name.length, 16) };
    },
  ],
  [
    LINK.enter,
    async (_peer, view, fields) =>
      view.presence
        .enter(text(fields[2]), readMember(fields[3]), text(fields[4]), readEnterOptions(fields[5]))
        .then(() => done),
  ],
  [
    LINK.leave,
    async (_peer, view, fields) =>
      view.presence
        .leave(text(fields[2]), text(fields[3]), text(fields[4]), count(fields[5]))
        .then(() => done),
  ],
  [
    LINK.members,
    async (peer, view, fields) => {
      const cursor = optionalText(fields[3]);
      const bytesMax = fields[4] === null ? MEMBERS_BYTES_MAX : count(fields[4]);
      const page = await view.presence.members(text(fields[2]), {
        ...(cursor === undefined ? {} : { cursor }),
        bytesMax: Math.min(bytesMax, peer.pageBytesMax),
      });
      return {
        result: [page.members.map(writeMember), page.cursor ?? null],
        bytes: page.members.reduce((sum, member) => sum + memberWireBytes(member), 64),
      };
    },
  ],
  [
    LINK.renew,
    async (_peer, view, fields) =>
      view.presence.renew(text(fields[2]), count(fields[3])).then(() => done),
  ],
  ...STATE_HANDLERS.map(([type, carryOut]): readonly [number, Handler] => [
    type,
    (_peer, view, fields) => carryOut(view, fields),
  ]),
  [LINK.bus, async (_peer, view, fields) => view.bus.send(readBus(fields[2])).then(() => done)],
  [
    LINK.probe,
    async (_peer, view) =>
      view.probe().then(() => ({ result: writeUsage(view.usage()), bytes: 64 })),
  ],
]);
