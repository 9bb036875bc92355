// Checks that issuers' clocks and changes of keys end nobody, over real sockets with the real SDK.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { Holdfast } from "@holdfast/client";
import { SignJWT } from "jose";
import { patience } from "../patience.ts";
import { rawSocket } from "./raw-socket.ts";
import { sharedBroker, startNode, type TestNodeOptions, until } from "./start-node.ts";
import { startSwitch } from "./switch.ts";

setDefaultTimeout(patience(60_000));

const OLD = "the old secret, which is long enough for HS256";
const NEW = "the new secret, which is long enough for HS256";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function nodeWith(env: TestNodeOptions["env"], broker = sharedBroker()) {
  const started = await startNode({ broker, env: { HOLDFAST_AUTH_ANONYMOUS: "false", ...env } });
  cleanups.push(() => started.node.stop());
  return started;
}

const seconds = (): number => Math.floor(Date.now() / 1000);

function sign(secret: string, claims: Readonly<Record<string, number>> = {}): Promise<string> {
  return new SignJWT({ exp: seconds() + 600, ...claims })
    .setProtectedHeader({ alg: "HS256" })
    .setSubject("ada")
    .sign(Buffer.from(secret));
}

function clientOf(url: string, getToken: () => Promise<string>) {
  const client = new Holdfast(url, { getToken });
  const states: string[] = [];
  client.on("state", ({ state }) => states.push(state));
  cleanups.push(() => client.close());
  return { client, states };
}

test("a client whose issuer's clock is ahead waits until its token holds, and is connected then", async () => {
  const { url } = await nodeWith({
    HOLDFAST_AUTH_JWT_HMAC_SECRET: OLD,
    HOLDFAST_AUTH_JWT_LEEWAY_MS: "0",
  });
  const [nbf, iat] = [seconds() + 2, seconds() + 3600];
  const { client, states } = clientOf(url, () => sign(OLD, { nbf, iat }));
  await client.channel("chat:lobby").subscribe(() => {}).ready;
  expect(Date.now() / 1000).toBeGreaterThanOrEqual(nbf);
  expect(states).not.toContain("failed");
});

test("a connected client that refreshes too early is told when to come again, and stays", async () => {
  const { url } = await nodeWith({
    HOLDFAST_AUTH_JWT_HMAC_SECRET: OLD,
    HOLDFAST_AUTH_JWT_LEEWAY_MS: "0",
  });
  const socket = await rawSocket(url, { protocol: "holdfast.v1" });
  cleanups.push(() => socket.end());
  const frames = () => socket.received.map((text) => JSON.parse(text));
  socket.text(JSON.stringify({ t: "connect", id: 1, token: await sign(OLD) }));
  await until("it is connected", () => frames().some(({ t }) => t === "connected"));
  socket.text(
    JSON.stringify({ t: "refresh", id: 2, token: await sign(OLD, { nbf: seconds() + 30 }) }),
  );
  await until("the refresh is answered", () => frames().some(({ id }) => id === 2));
  const answer = frames().find(({ id }) => id === 2);
  expect(answer).toMatchObject({ t: "err", name: "try_later" });
  expect(answer.retryMs).toBeGreaterThan(20_000);
  expect(answer.retryMs).toBeLessThanOrEqual(30_000);
  socket.text(JSON.stringify({ t: "ping", id: 3 }));
  await until("the session lives", () => frames().some(({ t }) => t === "pong"));
});

test("the documented steps rotate both secrets, node by node, and no session ends", async () => {
  const broker = sharedBroker();
  const secrets = (jwt: readonly string[], resume: readonly string[]) => ({
    HOLDFAST_AUTH_JWT_HMAC_SECRET: jwt[0] ?? "",
    HOLDFAST_AUTH_RESUME_SECRET: resume[0] ?? "",
    ...(jwt[1] === undefined ? {} : { HOLDFAST_AUTH_JWT_HMAC_SECRET_OTHER: jwt[1] }),
    ...(resume[1] === undefined ? {} : { HOLDFAST_AUTH_RESUME_SECRET_OTHER: resume[1] }),
  });
  const before = await nodeWith(secrets([OLD], [OLD]), broker);
  const front = await startSwitch(before.node.port);
  cleanups.push(() => front.close());
  let issuer = OLD;
  const { client, states } = clientOf(`ws://127.0.0.1:${front.port}/connect`, () => sign(issuer));
  await client.channel("chat:lobby").subscribe(() => {}).ready;
  const sessionAt = ({ node }: typeof before) => node.control.sessions({ limit: 2 })[0]?.session;
  const session = sessionAt(before);
  expect(session).toBeDefined();

  let last = before;
  const roll = async (jwt: readonly string[], resume: readonly string[]) => {
    // Between two nodes of a roll clients go to either: back to the last one, too.
    const next = await nodeWith(secrets(jwt, resume), broker);
    for (const [from, to] of [
      [last, next],
      [next, last],
      [last, next],
    ] as const) {
      const { connections } = to.node.info();
      front.target(to.node.port);
      void from.node.control.drain({ windowMs: 5_000, preDelayMs: 0 });
      await until("the client has moved", () => to.node.info().connections > connections);
      await until("the old connection is over", () => from.node.info().connections === 0);
      from.node.control.undrain();
    }
    // A newcomer of the issuer as it is now.
    const newcomer = clientOf(`ws://127.0.0.1:${front.port}/connect`, () => sign(issuer));
    await newcomer.client.channel("chat:lobby").subscribe(() => {}).ready;
    newcomer.client.close();
    await until("the newcomer has gone", () => next.node.info().sessions === 1);
    last = next;
  };
  await roll([NEW, OLD], [OLD, NEW]);
  issuer = NEW;
  await roll([NEW, OLD], [NEW, OLD]);
  await roll([NEW], [NEW]);
  expect(states.filter((state) => state !== "connected" && state !== "connecting")).toEqual([]);
  expect(sessionAt(last)).toBe(session);
});

test("a user who was away for longer than the resume token lives comes back as the same user, not as nobody", async () => {
  const { node } = await nodeWith({
    HOLDFAST_AUTH_ANONYMOUS: "true",
    HOLDFAST_AUTH_JWT_HMAC_SECRET: OLD,
    HOLDFAST_TIMEOUTS_RESUME_TTL_MS: "5000",
    HOLDFAST_TIMEOUTS_PING_MS: "2000",
  });
  const front = await startSwitch(node.port);
  cleanups.push(() => front.close());
  const { client } = clientOf(`ws://127.0.0.1:${front.port}/connect`, () => sign(OLD));
  await client.channel("chat:lobby").subscribe(() => {}).ready;
  // Nothing answers there, as while a laptop sleeps.
  front.target(1);
  front.cutAll();
  await Bun.sleep(5_500);
  const isBack = new Promise<void>((resolve) =>
    client.on("state", ({ state }) => state === "connected" && resolve()),
  );
  front.target(node.port);
  await isBack;
  expect(node.control.sessions({ limit: 2 }).map(({ user }) => user)).toEqual(["ada"]);
});
