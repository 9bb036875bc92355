// Checks tickets over the endpoint: a minute for the URL, longer for whoever read the stream.
import { expect, test } from "bun:test";
import { createEngineHarness, TEST_SETTINGS } from "@holdfast/testkit";
import { createTickets } from "../auth/ticket.ts";
import { createEventsEndpoint } from "./endpoint.ts";
import { AskingSessions } from "./sessions.ts";
import { HttpSockets } from "./sockets.ts";

const T0 = 1_700_000_000_000;
const MINUTE_MS = 60_000;
const permissions = { subscribe: "anyone", publish: "anyone", history: "anyone" } as const;
const contract = { channels: { "chat:{room}": { permissions } } };
const tickets = createTickets(["s".repeat(32)], 5 * MINUTE_MS);

async function start() {
  let wallMs = T0;
  // The engine takes whatever is a ticket now.
  const identityOf = (token: string | symbol) => {
    const identity = tickets.open(String(token), wallMs);
    return typeof identity === "object" ? identity : undefined;
  };
  const tokens: Record<string, { user: string }> = new Proxy(
    {},
    {
      get: (_none, token) => identityOf(token),
      getOwnPropertyDescriptor(_none, token) {
        const value = identityOf(token);
        return value === undefined ? undefined : { value, configurable: true, enumerable: true };
      },
    },
  );
  const harness = await createEngineHarness({
    contract,
    settings: TEST_SETTINGS,
    tokens,
    anonymous: false,
  });
  const { engine, settle } = harness;
  const unused = () => {
    throw new Error("not used");
  };
  const endpoint = createEventsEndpoint({
    engine,
    random: { next: () => 0 },
    authenticator: { verify: unused, tickets },
    cookie: undefined,
    mayConnect: () => true,
    onError: (_where, error) => {
      throw error;
    },
    heartbeatMs: 60_000,
    bodyBytesMax: 1_000,
    messageBytesMax: () => 1_000,
    sessions: new AskingSessions({ engine }),
    sockets: new HttpSockets({
      nodeId: "n",
      door: { accept: unused },
      random: { id: unused },
      groups: { join() {}, leave() {} },
      forwarding: undefined,
      heartbeatMs: 60_000,
    }),
    wallMs: () => wallMs,
  });
  const ask = async (ticket: string, lastId = "") => {
    const query = `channel=chat:a&ticket=${encodeURIComponent(ticket)}`;
    const headers = lastId === "" ? {} : { "last-event-id": lastId };
    const gone = new AbortController();
    const request = new Request(`http://x/events?${query}`, { headers, signal: gone.signal });
    const answering = endpoint.answer(request, "events", { address: "10.0.0.1", mayCut() {} });
    await settle();
    const answer = await answering;
    await settle();
    if (answer.status !== 200) return { status: answer.status, id: "" };
    const { value } = (await answer.body?.getReader().read()) ?? {};
    gone.abort();
    const id = /^id: (.*)$/m.exec(new TextDecoder().decode(value))?.[1] ?? "";
    return { status: 200, id };
  };
  return {
    ask,
    later: (ms: number) => {
      wallMs += ms;
    },
    ticket: (user: string) => tickets.issue({ user }, wallMs).ticket,
    end: () => endpoint.end(),
  };
}

test("a ticket opens streams for a minute, and later beside an id of a stream that it opened", async () => {
  const { ask, later, ticket, end } = await start();
  const [mine, other] = [ticket("ada"), ticket("eve")];
  const first = await ask(mine);
  expect(first.status).toBe(200);
  expect(first.id).toMatch(/![0-9a-z]+\.[\w-]{16}$/);
  later(2 * MINUTE_MS);
  const [places = "", proof = ""] = first.id.split("!");
  expect((await ask(mine)).status).toBe(401);
  expect((await ask(mine, places)).status).toBe(401);
  expect((await ask(mine, `${places}!${proof.replace(/.$/, "")}`)).status).toBe(401);
  const again = await ask(mine, first.id);
  expect(again.status).toBe(200);
  // Each id has a newer proof: a reader that stays comes back hours later.
  later(4 * MINUTE_MS);
  expect((await ask(mine, first.id)).status).toBe(401);
  expect((await ask(mine, again.id)).status).toBe(200);
  expect((await ask(other, again.id)).status).toBe(401);
  end();
});
