// Owns: the built SDK against a real node, on whatever runtime this file is run with: `node --test`
// or `bun test`.
// HOLDFAST_URL is the node's, HOLDFAST_DIST the folder of the built modules; runtime.test.ts starts
// both.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { WebSocket as PackageWebSocket } from "ws";

const { HOLDFAST_URL: url, HOLDFAST_DIST: dist } = process.env;
const { Holdfast, HoldfastError } = await import(`${dist}/index.js`);
const { msgpack } = await import(`${dist}/msgpack.js`);
const { fallback } = await import(`${dist}/fallback.js`);

/** @type {{ close(): Promise<void> }[]} */
const clients = [];
after(() => Promise.all(clients.map((client) => client.close())));

const WebSocket = globalThis.WebSocket ?? PackageWebSocket;
let rooms = 0;

/** A client and a channel that nobody else uses. @param {object} [options] */
function room(options = {}) {
  const client = new Holdfast(url, { WebSocket, ...options });
  clients.push(client);
  return { client, channel: client.channel(`chat:${process.pid}-${++rooms}`) };
}

/** Fails with one of the codes. @param {Promise<unknown>} promise @param {string[]} codes */
async function rejects(promise, ...codes) {
  const error = await promise.then(
    () => assert.fail(`expected ${codes.join(" or ")}`),
    (/** @type {unknown} */ reason) => reason,
  );
  assert.ok(error instanceof HoldfastError, String(error));
  assert.ok(codes.includes(error.code), error.code);
  return error;
}

test("says what to pass where the runtime has no WebSocket", {
  skip: globalThis.WebSocket !== undefined,
}, () => {
  assert.throws(
    () => new Holdfast(url),
    (/** @type {{ code: string, message: string }} */ error) =>
      error.code === "request_invalid" && error.message.includes("the package ws"),
  );
});

for (const [name, options] of /** @type {const} */ ([
  ["json", {}],
  ["msgpack", { codec: msgpack }],
])) {
  test(`publishes, receives, pages back and calls, with ${name}`, async () => {
    const { client, channel } = room(options);
    /** @type {unknown[]} */
    const got = [];
    const all = new Promise((resolve) => {
      channel.subscribe((/** @type {{ data: unknown }} */ { data }) => {
        got.push(data);
        if (got.length === 3) resolve(undefined);
      });
    });
    const first = await channel.publish({ text: "one", list: [1, null, "ü"] });
    assert.equal(first.offset, 1);
    assert.equal(first.duplicate, false);
    await Promise.all([channel.publish(Uint8Array.of(0, 127, 255)), channel.publish("three")]);
    await all;
    assert.deepEqual(got[0], { text: "one", list: [1, null, "ü"] });
    assert.ok(got[1] instanceof Uint8Array);
    assert.deepEqual([...got[1]], [0, 127, 255]);
    assert.equal(got[2], "three");

    const page = await channel.history({ limit: 2 });
    assert.deepEqual(
      [page.messages.map((/** @type {{ offset: number }} */ { offset }) => offset), page.more],
      [[2, 3], true],
    );
    const older = await channel.history({ before: 2 });
    assert.deepEqual([older.messages.length, older.more], [1, false]);

    assert.equal(await client.rpc("sum", { a: 1, b: 2 }), 3);
    assert.equal(client.state, "connected");
    assert.equal(typeof client.session, "string");
    assert.equal(client.stats().undeclared, 0);
  });
}

test("the two codecs understand each other", async () => {
  const { channel } = room();
  const other = room({ codec: msgpack }).client.channel(channel.name);
  const messages = other.messages();
  const next = messages.next();
  // It shares the subscription of the iteration, which has no `ready` of its own.
  await other.subscribe(() => {}).ready;
  await channel.publish({ nested: { bytes: "as text", n: 1.5 } });
  const { value } = await next;
  assert.deepEqual(value.data, { nested: { bytes: "as text", n: 1.5 } });
  await messages.return();
});

test("says what was wrong, and where", async () => {
  const { client } = room();
  const error = await rejects(client.rpc("sum", { a: 1, b: "two" }), "payload_invalid");
  assert.equal(error.path, "b");
  assert.equal(error.retry, "never");
  await rejects(client.rpc("no such"), "rpc_unknown");
  await rejects(client.channel("of:nobody").publish(1), "channel_unknown");
  await rejects(client.channel("of:nobody").subscribe(() => {}).ready, "channel_unknown");
  await rejects(client.channel("locked:1").publish(1), "permission_denied");
});

test("an AbortSignal ends a call, a publish that waits, a subscription and an iteration", async () => {
  const { client, channel } = room();
  await rejects(client.rpc("slow", undefined, { signal: AbortSignal.timeout(100) }), "aborted");
  // Client and node have the same deadline; either may notice first.
  await rejects(client.rpc("slow", undefined, { timeoutMs: 100 }), "timeout", "rpc_timeout");
  await rejects(channel.publish(1, { signal: AbortSignal.abort() }), "aborted");
  const controller = new AbortController();
  const subscription = channel.subscribe(() => {}, { signal: controller.signal });
  controller.abort();
  await rejects(subscription.ready, "aborted");
  await rejects(channel.messages({ signal: AbortSignal.timeout(50) }).next(), "aborted");
});

test("presence: entering, seeing, updating, leaving", async () => {
  const { client, channel } = room();
  const other = room();
  const same = other.client.channel(channel.name);
  /** @type {string[]} */
  const changes = [];
  let onUpdate = () => {};
  /** @type {Promise<void>} */
  const updated = new Promise((resolve) => {
    onUpdate = resolve;
  });
  const gone = new Promise((resolve) => {
    channel.presence.on(
      "change",
      (/** @type {Record<string, { data: { name: string } }[]>} */ { join, update, leave }) => {
        for (const { data } of join ?? []) changes.push(`+${data.name}`);
        for (const { data } of update ?? []) changes.push(`~${data.name}`);
        if (update?.length) onUpdate();
        for (const { data } of leave ?? []) changes.push(`-${data.name}`);
        if (leave?.length) resolve(undefined);
      },
    );
  });
  await channel.presence.enter({ name: "Ada" });
  await same.presence.enter({ name: "Bob" });
  const members = await same.presence.get();
  assert.deepEqual(
    members.map((/** @type {{ id: string }} */ { id }) => id).sort(),
    [client.session, other.client.session].sort(),
  );
  await same.presence.update({ name: "Bea" });
  await updated;
  await same.presence.leave();
  await gone;
  assert.deepEqual(changes, ["+Ada", "+Bob", "~Bea", "-Bea"]);
  assert.deepEqual(
    channel.presence.members().map((/** @type {{ data: unknown }} */ { data }) => data),
    [{ name: "Ada" }],
  );
});

test("a closed client rejects everything, and leaves nothing that keeps the process alive", async () => {
  const { client, channel } = room();
  const subscription = channel.subscribe(() => {});
  await subscription.ready;
  await client.close();
  assert.equal(client.state, "closed");
  await rejects(channel.publish(1), "closed");
  await rejects(client.rpc("sum", { a: 1, b: 1 }), "closed");
});

for (const way of ["stream", "poll"])
  test(`goes on over ${way} where no WebSocket can be had`, async () => {
    // An address where nobody takes upgrades: its socket fails as behind a proxy.
    class Blocked extends PackageWebSocket {
      /** @param {string} address @param {string} protocol */
      constructor(address, protocol) {
        super(address.replace("/connect", "/nothing"), protocol);
      }
    }
    /** @type {string[]} */
    const used = [];
    const blocked = fallback({
      WebSocket: Blocked,
      transports: ["websocket", way],
      onTransport: (/** @type {string} */ name) => used.push(name),
    });
    const { client, channel } = room({ WebSocket: blocked });
    /** @type {unknown[]} */
    const got = [];
    const { promise, resolve } = Promise.withResolvers?.() ?? deferred();
    const subscription = channel.subscribe((/** @type {{ data: unknown }} */ { data }) => {
      if (got.push(data) === 50) resolve(undefined);
    });
    await subscription.ready;
    await Promise.all(Array.from({ length: 50 }, (_, n) => channel.publish(n)));
    await promise;
    assert.deepEqual(
      got,
      Array.from({ length: 50 }, (_, n) => n),
    );
    assert.equal(await client.rpc("sum", { a: 1, b: 2 }), 3);
    assert.deepEqual(used, [way]);
  });

/** Node 20 has no Promise.withResolvers. */
function deferred() {
  /** @type {(value: unknown) => void} */
  let resolve = () => {};
  const promise = new Promise((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
