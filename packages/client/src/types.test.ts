import { expect, test } from "bun:test";
import { defineContract, rpc } from "@holdfast/contract";
import { z } from "zod";
import type { Channel, Holdfast } from "./holdfast.ts";
import { createHooks } from "./react.ts";
import type { Member, Message } from "./types.ts";

const contract = defineContract({
  channels: {
    "chat:{room}": {
      payload: z.object({ text: z.string() }),
      presenceData: z.object({ name: z.string() }),
      presence: true,
    },
    "dates:{id}": { payload: z.string().transform((text) => text.length) },
    free: {},
  },
  rpc: {
    sum: rpc({ input: z.object({ a: z.number() }), output: z.number(), handler: ({ a }) => a }),
  },
});
type Contract = typeof contract;

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <T extends true>(value?: T) => value;

// Never called: what it says is checked by the compiler, where @ts-expect-error without an error is
// an error.
async function typed(hf: Holdfast<Contract>) {
  const room = hf.channel("chat:lobby");
  room.subscribe((message) => same<Same<typeof message, Message<{ text: string }>>>());
  await room.publish({ text: "hi" });
  // @ts-expect-error a wrong payload
  await room.publish({ txt: "hi" });
  // @ts-expect-error a payload of the wrong type
  await room.publish({ text: 1 });
  // @ts-expect-error no such channel
  hf.channel("chats:lobby");
  for await (const message of room.messages()) same<Same<typeof message.data, { text: string }>>();
  const page = await room.history();
  same<Same<(typeof page.messages)[number]["data"], { text: string }>>();

  await room.presence.enter({ name: "Ada" });
  // @ts-expect-error wrong presence data
  await room.presence.enter({ nickname: "Ada" });
  const members = room.presence.members();
  same<Same<typeof members, readonly Member<{ name: string }>[]>>();

  const dates = hf.channel("dates:1");
  dates.subscribe(({ data }) => same<Same<typeof data, number>>());
  await dates.publish("a string goes in, a number comes out");
  // @ts-expect-error the schema's input is a string
  await dates.publish(7);

  hf.channel("free").subscribe(({ data }) => same<Same<typeof data, unknown>>());

  const sum = await hf.rpc("sum", { a: 1 });
  same<Same<typeof sum, number>>();
  // @ts-expect-error no such method
  await hf.rpc("product", { a: 1 });
  // @ts-expect-error wrong input
  await hf.rpc("sum", { a: "1" });
  // @ts-expect-error input is needed
  await hf.rpc("sum");

  room.subscribe(() => {}, {
    getState: async () => 5,
    onState: (state) => same<Same<typeof state, number>>(),
  });
  // @ts-expect-error no such event
  room.subscribe(() => {}).on("gaps", () => {});
}

async function untyped(hf: Holdfast) {
  const channel = hf.channel("whatever");
  same<Same<typeof channel, Channel<unknown, "whatever">>>();
  channel.subscribe(({ data }) => same<Same<typeof data, unknown>>());
  await channel.publish({ any: "thing" });
  const result = await hf.rpc("any");
  same<Same<typeof result, unknown>>();
}

function useTypes() {
  const { useChannel, useRpc, usePresence } = createHooks<Contract>();
  const { messages } = useChannel("chat:lobby");
  same<Same<typeof messages, readonly Message<{ text: string }>[]>>();
  // @ts-expect-error no such channel
  useChannel("chats:lobby");
  // @ts-expect-error wrong presence data
  usePresence("chat:lobby", { nickname: "Ada" });
  const [sum] = useRpc("sum");
  same<Same<Awaited<ReturnType<typeof sum>>, number>>();
}

test("types are checked by the compiler", () => {
  expect([typed, untyped, useTypes]).toHaveLength(3);
});
