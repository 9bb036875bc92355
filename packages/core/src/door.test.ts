// Owns: the proof that doors are open: a dialect that the engine has never heard of.
import { expect, test } from "bun:test";
import type { ServerFrame } from "@holdfast/protocol";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";
import type { DoorCodec, Item } from "./door.ts";

const contract = {
  channels: {
    "chat:{room}": {
      presence: true,
      permissions: { subscribe: "anyone", publish: "anyone", presence: "anyone" },
    },
  },
} as const;

/**
 * A line a message: HELLO, SUB channel, WATCH channel, PUB channel text. Answers carry the number
 * of the line.
 */
function readLine(line: string, id: number): Item {
  const [verb, ch = "", ...words] = line.split(" ");
  if (verb === "HELLO") return { t: "connect", id };
  if (verb === "SUB") return { t: "subscribe", id, ch };
  if (verb === "WATCH") return { t: "watch", id, ch };
  if (verb === "PUB") {
    const text = JSON.stringify(words.join(" "));
    return { t: "publish", id, ch, data: { kind: "json", text } };
  }
  const message = `Cannot read a line: found ${verb}, expected HELLO, SUB, WATCH or PUB`;
  return { t: "fault", fault: { code: "request_invalid", message, id } };
}

function writeLine(frame: ServerFrame): string {
  if (frame.t === "pub") return `MSG ${frame.ch} ${frame.o} ${frame.data.kind}`;
  if (frame.t === "err" || frame.t === "goodbye") return `NO ${frame.name}`;
  return `OK ${frame.t}`;
}

interface Dialect {
  /** The codec of a new client. */
  codec(): DoorCodec;
  /** Frames that were written so far. */
  readonly written: ServerFrame["t"][];
}

const shared = (): Dialect => {
  const written: ServerFrame["t"][] = [];
  const codec: DoorCodec = {
    name: "lines",
    shared: true,
    encode(frame) {
      written.push(frame.t);
      return writeLine(frame);
    },
    join: (lines) => lines.join("\n"),
  };
  return { codec: () => codec, written };
};

/** Each client counts what it was sent, as doors with packet numbers do. One line a message. */
const numbered = (): Dialect => {
  const written: ServerFrame["t"][] = [];
  const codec = (): DoorCodec => {
    let number = 0;
    return {
      name: "numbered",
      shared: false,
      encode(frame) {
        written.push(frame.t);
        return `${++number} ${writeLine(frame)}`;
      },
    };
  };
  return { codec, written };
};

async function start(dialect: Dialect) {
  const harness = await createEngineHarness({ contract, settings: TEST_SETTINGS });
  const { engine, settle } = harness;
  const join = async (...lines: readonly string[]) => {
    const link = harness.link();
    const connection = engine.open(link, dialect.codec());
    let id = 0;
    const say = async (line: string): Promise<readonly string[]> => {
      engine.receive(connection, [readLine(line, ++id)], line.length);
      await settle();
      return heard();
    };
    const heard = () => link.messages.splice(0).flatMap((message) => String(message).split("\n"));
    for (const line of lines) await say(line);
    return { link, say, heard };
  };
  return { ...harness, join };
}

test("a third dialect connects, subscribes, publishes and receives beside holdfast.v1", async () => {
  const { join, connect, engine } = await start(shared());
  const native = await connect();
  await native.send({ t: "subscribe", id: 2, ch: "chat:a" });
  await native.take();
  const lines = await join();
  expect(await lines.say("HELLO")).toEqual(["OK connected"]);
  expect(await lines.say("SUB chat:a")).toEqual(["OK subscribed"]);
  expect((await lines.say("PUB chat:a good morning")).toSorted()).toEqual([
    "MSG chat:a 1 json",
    "OK published",
  ]);
  const [pub] = await native.take();
  expect(pub).toMatchObject({ t: "pub", ch: "chat:a", o: 1, data: "good morning" });
  await native.send({ t: "publish", id: 3, ch: "chat:a", data: 7 });
  expect(lines.heard()).toEqual(["MSG chat:a 2 json"]);
  expect(
    engine
      .sessions({ limit: 9 })
      .map(({ codec }) => codec)
      .toSorted(),
  ).toEqual(["json", "lines"]);
});

test("what a dialect cannot read is answered or ends the connection, as its fault says", async () => {
  const { join } = await start(shared());
  const lines = await join("HELLO");
  expect(await lines.say("SING")).toEqual(["NO request_invalid"]);
  expect(await lines.say("SUB nowhere")).toEqual(["NO channel_unknown"]);
  const rude = await join();
  expect(await rude.say("SUB chat:a")).toEqual(["NO frame_invalid"]);
  expect(rude.link.closedWith?.reason).toBe("frame_invalid");
});

test("a publication is written once for all who share a codec, however many they are", async () => {
  const dialect = shared();
  const { join, engine, settle } = await start(dialect);
  const count = TEST_SETTINGS.flow.groupFrom + 2;
  const clients = [];
  for (let i = 0; i < count; i++) clients.push(await join("HELLO", "SUB chat:a"));
  for (const client of clients) client.heard();
  await engine.publish("chat:a", { payload: { kind: "json", text: "1" } });
  await settle();
  for (const client of clients) expect(client.heard()).toEqual(["MSG chat:a 1 json"]);
  expect(dialect.written.filter((t) => t === "pub")).toHaveLength(1);
});

test("codecs that belong to their connections write each publication themselves, in order", async () => {
  const dialect = numbered();
  const { join, engine, settle } = await start(dialect);
  const count = TEST_SETTINGS.flow.groupFrom + 2;
  const clients = [];
  for (let i = 0; i < count; i++) clients.push(await join("HELLO", "SUB chat:a"));
  for (const client of clients) client.heard();
  for (let i = 0; i < 3; i++)
    await engine.publish("chat:a", { payload: { kind: "json", text: String(i) } });
  await settle();
  for (const client of clients)
    expect(client.heard()).toEqual([
      "3 MSG chat:a 1 json",
      "4 MSG chat:a 2 json",
      "5 MSG chat:a 3 json",
    ]);
});

test("codecs that belong to their connections write what becomes of members themselves, too", async () => {
  const { join, connect, advance } = await start(numbered());
  const one = await join("HELLO", "WATCH chat:a");
  const other = await join("HELLO", "SUB chat:b", "WATCH chat:a");
  await advance(2 * TEST_SETTINGS.timeouts.presenceCoalesceMs);
  for (const client of [one, other]) client.heard();
  const member = await connect();
  await member.send({ t: "enter", id: 2, ch: "chat:a" });
  await advance(TEST_SETTINGS.timeouts.presenceCoalesceMs + 5);
  expect([one.heard(), other.heard()]).toEqual([["4 OK presence"], ["5 OK presence"]]);
});
