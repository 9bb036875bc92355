// Owns: replaying a session of spec/vectors/sessions.json against the engine: the node's part, step
// by step (spec/vectors/README.md). For tests only.
import { isDeepStrictEqual } from "node:util";
import { jsonClientCodec } from "@holdfast/protocol";
import { msgpackClientCodec } from "@holdfast/protocol/msgpack";
import { VECTOR_WIRES } from "@holdfast/protocol/vector-wire";
import {
  type SessionStep,
  SessionValues,
  type SessionVector,
  type VectorFrame,
} from "@holdfast/protocol/vectors";
import { VectorClient } from "./vector-client.ts";
import type { TestClock, VectorSocket } from "./vector-socket.ts";
import { Told } from "./vector-told.ts";

export interface NodePartOptions {
  readonly codec: "json" | "msgpack";
  readonly clock: TestClock;
  /** The frames of an `expect` go out as one message, or as one each. */
  readonly batched: boolean;
  /**
   * What this client never does: a connection (`b`) or a frame it sends (`a publish 3`, `a
   * report`). Its answers are left out too.
   */
  readonly unplayed: ReadonlySet<string>;
}

/**
 * What the node says where the session leaves a number open: pingMs, windowMs, messageBytesMax,
 * deadlineMs, times.
 */
const CHOSEN = 30_000;
/** What a client sends by itself, besides. */
const UNASKED = ["ping", "report"];
/** Members that this client adds to what a session has it send. */
const OWN_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  connect: ["migrates", "client"],
  publish: ["idem"],
  rpc: ["timeoutMs"],
};
const WAITS_MAX = 100;

type StepOf<Member extends string> = Extract<SessionStep, Readonly<Record<Member, unknown>>>;

interface Line {
  readonly client: VectorClient;
  readonly told: Told;
  readonly socket: VectorSocket;
}

/**
 * Replays the session; throws an Error that names the step and the difference when the client does
 * anything else.
 */
export function playNode(session: SessionVector, options: NodePartOptions): void {
  const play = new NodePart(session, options);
  let at = "the end";
  try {
    for (const [index, step] of session.steps.entries()) {
      at = `step ${index} ${JSON.stringify(step)}`;
      play.step(step);
    }
    at = "the end";
    play.finish();
  } catch (cause) {
    throw new Error(
      `"${session.name}" in ${options.codec}, ${at.slice(0, 300)}: ${(cause as Error).message}`,
      { cause },
    );
  }
}

class NodePart {
  readonly #session: SessionVector;
  readonly #options: NodePartOptions;
  readonly #values = new SessionValues();
  readonly #lines = new Map<string, Line>();
  /** Ids that the client chose, by `connection id` of the session. */
  readonly #ids = new Map<string, unknown>();
  /** `connection id` of requests that are not played. */
  readonly #unanswered: ReadonlySet<string>;
  #chosen = 0;

  constructor(session: SessionVector, options: NodePartOptions) {
    this.#session = session;
    this.#options = options;
    this.#unanswered = new Set([...options.unplayed].map((row) => row.replace(/ \w+ /, " ")));
  }

  step(step: SessionStep): void {
    if ("do" in step || this.#options.unplayed.has(connectionOf(step))) return;
    this.#answerUnasked();
    if ("open" in step) this.#open(step);
    else if ("send" in step) this.#hear(step);
    else if ("expect" in step) this.#say(step);
    else this.#end(connectionOf(step), "closed" in step ? step.code : 1006);
    for (const [name, line] of this.#lines) this.#check(name, line);
  }

  /** The client has sent nothing, and opened no connection, that the session does not have. */
  finish(): void {
    this.#answerUnasked();
    const sockets = [...this.#lines.values()].map(({ socket }) => socket);
    for (const [name, { client, socket }] of this.#lines) {
      if (socket.inbox.length > 0)
        throw new Error(`expected nothing more on ${name}, found ${JSON.stringify(socket.inbox)}`);
      if (client.sockets.some((opened) => !sockets.includes(opened)))
        throw new Error("expected no other connection, found one");
    }
  }

  #open({ open: name, offer }: StepOf<"open">): void {
    const { codec, clock } = this.#options;
    const wire = VECTOR_WIRES[codec];
    const connect = this.#firstFrame(name);
    let line = [...this.#lines].find(([other]) => this.#givesResume(other, connect.resume))?.[1];
    if (line === undefined) {
      const spoken = codec === "json" ? jsonClientCodec : msgpackClientCodec;
      const [subprotocol = spoken.subprotocol] = offer ?? [];
      const client = new VectorClient({
        clock,
        wire,
        codec: { ...spoken, subprotocol },
        migrates: connect.migrates === true,
      });
      client.engine.start();
      clock.flush();
      line = { client, told: new Told(), socket: this.#newSocket(client) };
    } else line = { ...line, socket: this.#newSocket(line.client) };
    this.#lines.set(name, line);
    if (line.socket.subprotocol !== (offer?.[0] ?? wire.subprotocol))
      throw new Error(`found the offer ${line.socket.subprotocol}`);
    line.socket.open();
  }

  /**
   * The connection that the client opened and no step has taken; waits for it as long as a node's
   * window may last.
   */
  #newSocket(client: VectorClient): VectorSocket {
    const taken = [...this.#lines.values()].map(({ socket }) => socket);
    for (let waits = 0; waits < WAITS_MAX; waits++) {
      const socket = client.sockets.find((candidate) => !taken.includes(candidate));
      if (socket) return socket;
      this.#options.clock.advance(1_000);
      this.#answerUnasked();
    }
    throw new Error("expected a connection, found none");
  }

  #hear({ send: name, frames }: StepOf<"send">): void {
    const line = this.#line(name);
    const wanted = frames
      .filter(
        ({ t, id }) =>
          !this.#options.unplayed.has(`${name} ${t}${id === undefined ? "" : ` ${id}`}`),
      )
      .map((frame) => this.#values.fill(frame) as VectorFrame);
    const own = wanted.filter((frame) => this.#find(line, name, frame) === undefined);
    const alone = own.filter(({ t }) => t === "publish").length === 1;
    for (const frame of own) line.client.act(frame, name, alone);
    this.#options.clock.flush();
    for (const frame of wanted) {
      const found = this.#find(line, name, frame);
      if (found === undefined)
        throw new Error(
          `expected ${JSON.stringify(frame)}, found ${JSON.stringify(line.socket.inbox)}`,
        );
      line.socket.inbox.splice(line.socket.inbox.indexOf(found), 1);
      this.#ids.set(`${name} ${frame.id}`, found.id);
      line.told.asked(name, frame, own.includes(frame));
    }
  }

  /** The frame that the client sent, but for its id and members of its own. */
  #find({ socket }: Line, name: string, { id, ...wanted }: VectorFrame): VectorFrame | undefined {
    const allowed = new Set([
      "id",
      ...Object.keys(wanted),
      ...(OWN_MEMBERS[wanted.t as string] ?? []),
    ]);
    const knownId = wanted.t === "cancel" ? this.#ids.get(`${name} ${id}`) : undefined;
    return socket.inbox.find(
      (frame) =>
        this.#values.match(wanted, frame) === undefined &&
        Object.keys(frame).every((member) => allowed.has(member)) &&
        (knownId === undefined || frame.id === knownId),
    );
  }

  #say({ expect: name, frames }: StepOf<"expect">): void {
    const { told, socket } = this.#line(name);
    const said = frames
      .filter(({ id }) => !this.#unanswered.has(`${name} ${id}`))
      .map((frame) => this.#filled(frame));
    if (said.length === 0) return;
    for (const frame of said) told.sent(name, frame);
    const onWire = said.map((frame) =>
      frame.id === undefined ? frame : { ...frame, id: this.#ids.get(`${name} ${frame.id}`) },
    );
    if (this.#options.batched) socket.send(onWire);
    else for (const frame of onWire) socket.send([frame]);
  }

  #filled(frame: VectorFrame): VectorFrame {
    return this.#values.fill(frame, (type, name) =>
      type === "int" ? CHOSEN : `${name}-${++this.#chosen}`,
    ) as VectorFrame;
  }

  #end(name: string, code: number): void {
    const { client, told, socket } = this.#line(name);
    const isLast = ![...this.#lines.values()].some(
      (line) => line.client === client && line.socket !== socket && !line.socket.over,
    );
    if (isLast && socket.closedWith === undefined) told.cut();
    // Whoever said or heard goodbye closes too.
    if (code !== 1006 && socket.closedWith === undefined)
      throw new Error(`expected the client to close ${name}, found it open`);
    socket.end(code);
  }

  #check(name: string, { client, told }: Line): void {
    const { state, session } = client.engine;
    this.#same(`state on ${name}`, told.state, state);
    if (state === "connected") this.#same(`session on ${name}`, told.session, session);
    this.#same(`messages and gaps on ${name}`, told.streams, client.told);
    this.#same(`outcomes on ${name}`, sorted(told.outcomes), sorted(client.outcomes));
    if (state !== "connected") return;
    for (const [channel, members] of told.members)
      this.#same(
        `members of ${channel}`,
        sorted(members),
        sorted(new Map(client.members(channel).map(({ id, data }) => [id, data]))),
      );
  }

  #same(what: string, expected: unknown, found: unknown): void {
    if (!isDeepStrictEqual(expected, found))
      throw new Error(
        `${what}: expected ${JSON.stringify(expected)}, found ${JSON.stringify(found)}`,
      );
  }

  /** Any node answers pings at once; reports want no answer. */
  #answerUnasked(): void {
    for (const { socket } of this.#lines.values()) {
      for (const type of UNASKED)
        for (const { t, id } of socket.takeAll(type))
          if (t === "ping") socket.send([{ t: "pong", id, time: CHOSEN, windowMs: CHOSEN }]);
    }
  }

  /** The `connect` that the session sends on this connection. */
  #firstFrame(name: string): VectorFrame {
    const step = this.#session.steps.find(
      (candidate) => "send" in candidate && candidate.send === name,
    );
    return (step && "send" in step && step.frames[0]) || {};
  }

  /** Whether the connection got the resume token that the placeholder `resume` stands for. */
  #givesResume(name: string, resume: unknown): boolean {
    const isGiven = ({ t, resume: given }: VectorFrame): boolean =>
      t === "connected" && given === resume;
    return (
      resume !== undefined &&
      this.#session.steps.some(
        (step) => "expect" in step && step.expect === name && step.frames.some(isGiven),
      )
    );
  }

  #line(name: string): Line {
    const line = this.#lines.get(name);
    if (!line) throw new Error(`connection ${name} is not open`);
    return line;
  }
}

function connectionOf(step: Exclude<SessionStep, { readonly do: string }>): string {
  if ("open" in step) return step.open;
  if ("send" in step) return step.send;
  if ("expect" in step) return step.expect;
  return "closed" in step ? step.closed : step.cut;
}

const sorted = (map: ReadonlyMap<string, unknown>): [string, unknown][] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : 1));
