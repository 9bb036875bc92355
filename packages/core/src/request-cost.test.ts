// Owns: tests that no request costs the node much more than it costs the client (H4): bytes that
// leave, bytes that are read from the broker, and calls of the broker, over bytes that came in.
import { expect, test } from "bun:test";
import type { ContractDefinition } from "@holdfast/contract";
import { type ClientFrame, jsonClientCodec, payloadBytes } from "@holdfast/protocol";
import { createEngineHarness, type HandClient, TEST_SETTINGS } from "@holdfast/testkit";
import type { Broker, HistoryPage, MembersPage } from "./ports.ts";

const open = {
  subscribe: "anyone",
  publish: "anyone",
  presence: "anyone",
  history: "anyone",
} as const;
const contract: ContractDefinition = {
  channels: {
    "chat:{room}": { presence: true, permissions: open, history: { size: 1000, ttlMs: 60_000 } },
  },
  rpc: { echo: { allow: "anyone", handler: (input) => input } },
};
const MEMBERS = 20;
const PUBLICATIONS = 200;
const DATA = "x".repeat(20_000);
const SECONDS = 5;
const settings = {
  ...TEST_SETTINGS,
  limits: {
    ...TEST_SETTINGS.limits,
    framesPerSecondMax: 100_000,
    connectionsPerAddressMax: 1000,
    answeredBytesPerSecondMax: 200_000,
    receivedBytesPerSecondMax: 50_000_000,
  },
};
const { limits, flow } = settings;

interface Row {
  /** The `i`-th of many that one connection sends; text: as it stands. */
  ask(i: number): ClientFrame<unknown> | string;
  /**
   * Bytes that leave for each byte that came, at most. `budget`: the answers are as large as the
   * application makes them, and `answeredBytesPerSecondMax` bounds them instead.
   */
  readonly factor: number | "budget";
  /** Calls of the broker for each frame, at most. */
  readonly calls: number;
}

/** One row for each frame of a client: a new one does not compile without. */
const COST: Readonly<Record<ClientFrame["t"] | "fault", Row>> = {
  // A second one ends the connection.
  connect: { ask: () => ({ t: "connect", id: 1 }), factor: 40, calls: 0 },
  ping: { ask: (i) => ({ t: "ping", id: i }), factor: 8, calls: 0 },
  refresh: { ask: (i) => ({ t: "refresh", id: i, token: "t" }), factor: 8, calls: 0 },
  subscribe: {
    ask: (i) => ({ t: "subscribe", id: i, ch: i % 2 ? "chat:a" : "chat:b", last: 1000 }),
    factor: "budget",
    calls: 3,
  },
  unsubscribe: { ask: (i) => ({ t: "unsubscribe", id: i, ch: "chat:c" }), factor: 8, calls: 0 },
  publish: { ask: (i) => ({ t: "publish", id: i, ch: "chat:c", data: i }), factor: 8, calls: 1 },
  history: { ask: (i) => ({ t: "history", id: i, ch: "chat:a" }), factor: "budget", calls: 2 },
  enter: { ask: (i) => ({ t: "enter", id: i, ch: "chat:c" }), factor: 8, calls: 1 },
  update: { ask: (i) => ({ t: "update", id: i, ch: "chat:c", data: i }), factor: 8, calls: 1 },
  leave: { ask: (i) => ({ t: "leave", id: i, ch: "chat:c" }), factor: 8, calls: 1 },
  watch: { ask: (i) => ({ t: "watch", id: i, ch: "chat:a" }), factor: "budget", calls: 2 },
  unwatch: { ask: (i) => ({ t: "unwatch", id: i, ch: "chat:c" }), factor: 8, calls: 0 },
  rpc: { ask: (i) => ({ t: "rpc", id: i, m: "echo", data: i }), factor: 8, calls: 0 },
  cancel: { ask: (i) => ({ t: "cancel", id: i }), factor: 1, calls: 0 },
  report: {
    ask: () => '{"t":"report","reconnects":1}',
    factor: 8,
    calls: 0,
  },
  bye: { ask: () => ({ t: "bye" }), factor: 8, calls: 0 },
  fault: { ask: (i) => `{"t":"subscribe","id":${i},"ch":7}`, factor: 8, calls: 0 },
};

/** What the broker was asked for. */
interface Asked {
  calls: number;
  bytes: number;
}

const dataBytes = ({ publications }: HistoryPage): number =>
  publications.reduce((sum, { payload }) => sum + payloadBytes(payload), 0);
const memberBytes = ({ members }: MembersPage): number =>
  members.reduce((sum, { data }) => sum + (data === undefined ? 0 : payloadBytes(data)), 0);

function counting<T extends Broker>(broker: T, asked: Asked): T {
  const { publish, history, subscribe, presence } = broker;
  const { enter, leave, members } = presence;
  const counted =
    <A extends unknown[], R>(
      call: (...args: A) => Promise<R>,
      bytes: (result: R) => number = () => 0,
    ) =>
    async (...args: A): Promise<R> => {
      asked.calls += 1;
      const result = await call(...args);
      asked.bytes += bytes(result);
      return result;
    };
  return Object.assign(broker, {
    publish: counted(publish.bind(broker)),
    subscribe: counted(subscribe.bind(broker)),
    history: counted(history.bind(broker), dataBytes),
    presence: {
      renew: presence.renew.bind(presence),
      enter: counted(enter.bind(presence)),
      leave: counted(leave.bind(presence)),
      members: counted(members.bind(presence), memberBytes),
    },
  });
}

/** A node with much to ask for, and one client that asks. */
async function attacked() {
  const asked: Asked = { calls: 0, bytes: 0 };
  const node = await createEngineHarness({
    contract,
    settings,
    tokens: { t: {} },
    wrapBroker: (broker) => counting(broker, asked),
  });
  for (let i = 0; i < PUBLICATIONS; i++)
    for (const channel of ["chat:a", "chat:b"])
      await node.engine.publish(channel, {
        payload: { kind: "json", text: JSON.stringify(DATA) },
      });
  for (let i = 0; i < MEMBERS; i++) {
    const member = await node.connect();
    await member.send({ t: "enter", id: 2, ch: "chat:a", data: DATA });
  }
  const client = await node.connect();
  await node.advance(100);
  Object.assign(asked, { calls: 0, bytes: 0 });
  return { ...node, asked, client };
}

/** Sends frames until `count` were sent or the connection ended; answers the bytes that came in. */
async function ask(client: HandClient, { ask: frame }: Row, count: number): Promise<number> {
  let inBytes = 0;
  for (let sent = 0; sent < count; ) {
    const lines: string[] = [];
    for (; lines.length < 500 && sent < count; sent++) {
      const next = frame(sent + 2);
      lines.push(typeof next === "string" ? next : (jsonClientCodec.encode(next) as string));
    }
    const text = lines.join("\n");
    inBytes += text.length;
    await client.sendText(text);
  }
  return inBytes;
}

const lengthOf = (client: HandClient): number =>
  client.link.messages.reduce((sum, message) => sum + message.length, 0);
/** What a connection may have got after some seconds: its budget, and one answer too much. */
const BUDGET_BYTES =
  limits.answeredBytesPerSecondMax * (limits.burstFactor + SECONDS) +
  flow.queueBytesMax / 4 +
  dataAllowance();

/** The last page that is read before the budget is found to be overdrawn. */
function dataAllowance(): number {
  return 64 * DATA.length;
}

for (const [type, row] of Object.entries(COST)) {
  test(`a client that reads gets no more for its ${type} frames than is allowed`, async () => {
    const { client, asked, advance, bugs } = await attacked();
    const count = 1000;
    const inBytes = await ask(client, row, count);
    await advance(SECONDS * 1000);
    const outBytes = lengthOf(client);
    expect(outBytes).toBeLessThanOrEqual(
      row.factor === "budget" ? BUDGET_BYTES : row.factor * inBytes,
    );
    expect(asked.bytes).toBeLessThanOrEqual(
      row.factor === "budget" ? BUDGET_BYTES : row.factor * inBytes,
    );
    expect(asked.calls).toBeLessThanOrEqual(row.calls * count);
    expect(bugs).toEqual([]);
  });

  test(`a client that does not read makes the node keep little for its ${type} frames`, async () => {
    const { client, advance } = await attacked();
    client.link.stalled = true;
    await ask(client, row, 500);
    await advance(1000);
    // One answer may have begun when there was still room, and a goodbye.
    const answerMax = Math.max(flow.queueBytesMax / 4, flow.chunkBytes + DATA.length) + 1000;
    expect(lengthOf(client)).toBeLessThanOrEqual(flow.lagBytes + answerMax);
  });
}
