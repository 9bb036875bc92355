// Owns: replaying a session of spec/vectors/sessions.json against running nodes: the client's part,
// step by step (spec/vectors/README.md).
import type { ContractDefinition } from "@holdfast/contract";
import { VECTOR_WIRES, type VectorWire } from "@holdfast/protocol/vector-wire";
import {
  type SessionStep,
  SessionValues,
  type SessionVector,
  type VectorFrame,
} from "@holdfast/protocol/vectors";
import type { TestNode } from "./start-node.ts";
import { VectorConnection } from "./vector-connection.ts";

const OPEN = {
  subscribe: "anyone",
  publish: "anyone",
  presence: "anyone",
  history: "anyone",
} as const;
const TTL_MS = 5 * 60_000;

/** The contract of all sessions. */
export const VECTOR_CONTRACT: ContractDefinition = {
  channels: {
    "room:{id}": { presence: true, history: { size: 100, ttlMs: TTL_MS }, permissions: OPEN },
    "heard:{id}": {
      history: { size: 100, ttlMs: TTL_MS },
      permissions: { ...OPEN, history: "nobody" },
    },
    "tiny:{id}": { history: { size: 2, ttlMs: TTL_MS }, permissions: OPEN },
    "cursor:{id}": { class: "volatile", permissions: OPEN },
    "dev:{id}": { class: "latest", history: { size: 100, ttlMs: TTL_MS }, permissions: OPEN },
  },
  rpc: {
    echo: { allow: "anyone", handler: (input: unknown) => input },
    nothing: { allow: "anyone", handler: () => undefined },
    never: { allow: "anyone", handler: () => new Promise(() => {}) },
  },
};

/** What all nodes of a session take from their environment. */
export const VECTOR_ENV = {
  HOLDFAST_AUTH_JWT_HMAC_SECRET: "a secret for the tokens of the session vectors",
  HOLDFAST_TIMEOUTS_PRESENCE_COALESCE_MS: "20",
  HOLDFAST_TIMEOUTS_CLOCK_SKEW_MS: "0",
} as const;

export interface ReplayOptions {
  readonly codec: "json" | "msgpack";
  /** In the order of the session's numbers; they share a broker that nobody has used. */
  readonly nodes: readonly TestNode[];
  /** Longest wait for what a step expects. */
  readonly patienceMs: number;
  /** How long nothing more may come behind the last step. */
  readonly quietMs: number;
}

/** Frames that a node may send at any time. */
const UNASKED = new Set(["pong", "advice"]);
const FINAL_PING = { t: "ping", id: 2 ** 31 - 1 };
const DRAIN_WINDOW_MS = 8_000;

type StepOf<Member extends string> = Extract<SessionStep, Readonly<Record<Member, unknown>>>;

/**
 * Replays the session; throws an Error that names the step and the difference when a node does
 * anything else.
 */
export async function replaySession(session: SessionVector, options: ReplayOptions): Promise<void> {
  const replay = new Replay(options);
  let at = "the end";
  try {
    for (const [index, step] of session.steps.entries()) {
      at = `step ${index} ${JSON.stringify(step)}`;
      await replay.take(step);
    }
    at = "the end";
    await replay.finish();
  } catch (cause) {
    throw new Error(
      `"${session.name}" in ${options.codec}, ${at.slice(0, 300)}: ${(cause as Error).message}`,
      { cause },
    );
  } finally {
    replay.stop();
  }
}

class Replay {
  readonly #options: ReplayOptions;
  readonly #wire: VectorWire;
  readonly #values = new SessionValues();
  readonly #connections = new Map<string, VectorConnection>();
  /** Those that a step closed or cut. */
  readonly #ended = new Set<string>();

  constructor(options: ReplayOptions) {
    this.#options = options;
    this.#wire = VECTOR_WIRES[options.codec];
  }

  take(step: SessionStep): Promise<void> | void {
    if ("do" in step) return this.#command(step);
    if ("open" in step) return this.#open(step);
    if ("send" in step)
      return this.#named(step.send).send(
        step.frames.map((frame) => this.#values.fill(frame) as VectorFrame),
      );
    if ("expect" in step) return this.#expect(step);
    if ("closed" in step) return this.#closed(step);
    this.#ended.add(step.cut);
    return this.#named(step.cut).cut();
  }

  /** Nothing is left over: no frame that no step expects, no connection that ended by itself. */
  async finish(): Promise<void> {
    await Bun.sleep(this.#options.quietMs);
    for (const [name, connection] of this.#connections) {
      if (this.#ended.has(name)) {
        this.#nothingIn(name, connection);
        continue;
      }
      connection.send([FINAL_PING]);
      const answered = (): boolean =>
        connection.inbox.some(({ t, id }) => t === "pong" && id === FINAL_PING.id);
      if (!(await connection.wait(answered, this.#options.patienceMs)))
        throw this.#missing(name, connection, "a pong");
      this.#nothingIn(name, connection);
    }
  }

  stop(): void {
    for (const connection of this.#connections.values()) connection.cut();
  }

  async #open({ open, node = 1, offer }: StepOf<"open">): Promise<void> {
    this.#connections.set(
      open,
      await VectorConnection.open(this.#node(node).url, this.#wire, offer),
    );
  }

  async #command(step: StepOf<"do">): Promise<void> {
    const { control } = this.#node(step.node).node;
    if (step.do === "drain") void control.drain({ preDelayMs: 0, windowMs: DRAIN_WINDOW_MS });
    else {
      const outcome = await control.removeHistory(step.ch);
      if (!outcome.ok) throw new Error(outcome.message);
    }
  }

  async #expect({ expect: name, frames, order }: StepOf<"expect">): Promise<void> {
    const connection = this.#named(name);
    const missing = [...frames];
    while (missing.length > 0) {
      if (!(await connection.wait(() => connection.inbox.length > 0, this.#options.patienceMs)))
        throw this.#missing(name, connection, JSON.stringify(missing));
      const frame = connection.inbox.shift() as VectorFrame;
      const differences = this.#place(frame, missing, order === "any" ? missing.length : 1);
      if (differences !== undefined && !UNASKED.has(frame.t as string))
        throw new Error(`${differences}, in ${JSON.stringify(frame)}`);
    }
  }

  /**
   * Takes the frame's expectation, one of the first `count`, out of `missing`; or says how the
   * frame differs from each.
   */
  #place(frame: VectorFrame, missing: VectorFrame[], count: number): string | undefined {
    const differences: string[] = [];
    for (const [index, candidate] of missing.slice(0, count).entries()) {
      const difference = this.#values.match(candidate, frame);
      if (difference === undefined) {
        missing.splice(index, 1);
        return undefined;
      }
      differences.push(`not ${candidate.t}: ${difference}`);
    }
    return differences.join("; ");
  }

  async #closed({ closed: name, code }: StepOf<"closed">): Promise<void> {
    const connection = this.#named(name);
    await connection.wait(() => false, this.#options.patienceMs);
    const { closed, goodbye } = connection;
    if (closed?.code !== code)
      throw new Error(`expected close code ${code}, found ${closed?.code ?? "it open"}`);
    // Section 2: the close reason is the code's name.
    if (goodbye !== undefined && closed.reason !== goodbye)
      throw new Error(`expected the reason ${goodbye}, found ${closed.reason}`);
    this.#ended.add(name);
    this.#nothingIn(name, connection);
  }

  #nothingIn(name: string, { inbox, fault }: VectorConnection): void {
    if (fault !== undefined)
      throw new Error(`${name} got a message that cannot be read: ${String(fault)}`);
    const rest = inbox.filter(({ t }) => !UNASKED.has(t as string));
    if (rest.length > 0)
      throw new Error(`expected nothing more on ${name}, found ${JSON.stringify(rest)}`);
  }

  #missing(name: string, { closed, fault, inbox }: VectorConnection, what: string): Error {
    const state = closed
      ? `closed with ${closed.code} ${closed.reason}`
      : `silent for ${this.#options.patienceMs} ms`;
    return new Error(
      `expected ${what}, found ${name} ${fault === undefined ? state : String(fault)}, and there ${JSON.stringify(inbox)}`,
    );
  }

  #node(number: number): TestNode {
    const node = this.#options.nodes[number - 1];
    if (!node) throw new Error(`there is no node ${number}`);
    return node;
  }

  #named(name: string): VectorConnection {
    const connection = this.#connections.get(name);
    if (!connection) throw new Error(`connection ${name} is not open`);
    return connection;
  }
}
