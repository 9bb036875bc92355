import { afterEach, describe, expect, test } from "bun:test";
import { HoldfastError } from "./engine/errors.ts";
import { Holdfast } from "./holdfast.ts";
import { createNodeLike, type NodeLike } from "./testing/socket-node.ts";

const open: { node: NodeLike; client: Holdfast }[] = [];
afterEach(async () => {
  for (const { node, client } of open.splice(0)) {
    await client.close();
    await node[Symbol.asyncDispose]();
  }
});

/** A client of a small node, subscribed to channel a when `ready` settles. */
function start(options: ConstructorParameters<typeof Holdfast>[1] = {}) {
  const node = createNodeLike();
  const client = new Holdfast(node.url, options);
  open.push({ node, client });
  return { node, client, channel: client.channel("a") };
}
const gap = (from: number, to: number) => ({
  t: "gap",
  ch: "a",
  from,
  to,
  reason: "history",
  pos: { epoch: "e", offset: to },
});
/** Resolves when something that the test waits for was called. */
function signal() {
  let fire = () => {};
  const fired = new Promise<void>((resolve) => {
    fire = resolve;
  });
  return { fire, fired };
}

describe("getState", () => {
  test("runs after a gap; its result comes before the messages that arrived meanwhile", async () => {
    const { node, channel } = start();
    const told: string[] = [];
    const done = signal();
    const state = signal();
    const subscription = channel.subscribe(
      ({ offset }) => {
        told.push(`${offset}`);
        if (offset === 11) done.fire();
      },
      {
        getState: async ({ to }) => {
          await state.fired;
          return `state after ${to}`;
        },
        onState: (value) => told.push(value),
      },
    );
    subscription.on("gap", ({ from, to }) => {
      told.push(`gap ${from}..${to}`);
    });
    await subscription.ready;
    node.publish("a", 6);
    node.send(gap(7, 9));
    node.publish("a", 10);
    node.publish("a", 11);
    setTimeout(state.fire, 5);
    await done.fired;
    expect(told).toEqual(["6", "gap 7..9", "state after 9", "10", "11"]);
  });

  test.each<[string, () => Promise<unknown>, string]>([
    ["rejects", () => Promise.reject(new TypeError("down")), "request_failed"],
    ["never settles", () => new Promise(() => {}), "request_failed"],
  ])("that %s: `error` is told and the messages follow", async (_name, getState, code) => {
    const { node, channel } = start({ requestTimeoutMs: 50 });
    const told: string[] = [];
    const done = signal();
    const subscription = channel.subscribe(
      ({ offset }) => {
        told.push(`${offset}`);
        done.fire();
      },
      { getState, onState: () => told.push("state") },
    );
    subscription.on("error", (error) => {
      told.push(error.code);
    });
    await subscription.ready;
    node.send(gap(6, 9));
    node.publish("a", 10);
    await done.fired;
    expect(told).toEqual([code, "10"]);
  });

  test("is not waited for beyond 1,000 messages, and none of them is dropped", async () => {
    const { node, channel } = start();
    const got: number[] = [];
    const done = signal();
    const subscription = channel.subscribe(
      ({ offset }) => {
        got.push(offset);
        if (offset === 1_500) done.fire();
      },
      { getState: () => new Promise(() => {}) },
    );
    subscription.on("error", () => {});
    await subscription.ready;
    node.send(gap(6, 9));
    for (let offset = 10; offset <= 1_500; offset++) node.publish("a", offset);
    await done.fired;
    expect(got).toEqual(Array.from({ length: 1_491 }, (_, index) => index + 10));
  });
});

describe("subscriptions", () => {
  test("a second one cannot choose where to begin, a first one can", async () => {
    const { node, channel } = start();
    await channel.subscribe(() => {}, { last: 2 }).ready;
    expect(() => channel.subscribe(() => {}, { since: { epoch: "e", offset: 1 } })).toThrow(
      "has a subscription already",
    );
    expect(() => channel.subscribe(() => {}, { last: 1 })).toThrow(HoldfastError);
    await channel.subscribe(() => {}).ready;
    expect(node.live("a")).toBe(1);
  });

  test("nothing is delivered after unsubscribe, not even what is on its way to other listeners", async () => {
    const { node, channel } = start();
    const got: string[] = [];
    const done = signal();
    const first = channel.subscribe(() => {
      got.push("first");
      second.unsubscribe();
    });
    const second = channel.subscribe(() => got.push("second"));
    await first.ready;
    channel.subscribe(done.fire);
    node.publish("a", 6);
    await done.fired;
    expect(got).toEqual(["first"]);
  });

  test("`ready` that nobody looks at is no unhandled rejection, and the refusal reaches `error`", async () => {
    const { client, node } = start();
    const errors: unknown[] = [];
    const done = signal();
    client.on("error", (error) => {
      errors.push(error);
      done.fire();
    });
    const subscription = client.channel("a").subscribe(() => {});
    await subscription.ready;
    node.send({ t: "unsubscribed", ch: "a", code: 223, name: "subscription_ended", msg: "" });
    await done.fired;
    expect(errors).toMatchObject([{ code: "subscription_ended" }]);
  });

  test("what a listener throws reaches `error` and stops nothing", async () => {
    const { client, node, channel } = start();
    const thrown = new TypeError("of the application");
    const errors: unknown[] = [];
    client.on("error", (error) => errors.push(error));
    const done = signal();
    await channel.subscribe(() => {
      throw thrown;
    }).ready;
    channel.subscribe(done.fire);
    node.publish("a", 6);
    await done.fired;
    expect(errors).toEqual([thrown]);
  });
});

describe("messages()", () => {
  test("yields in order, carries gaps with the next message, and leaving the loop ends the subscription", async () => {
    const { node, channel } = start();
    const gaps: string[] = [];
    const messages = channel.messages({ onGap: ({ from, to }) => gaps.push(`${from}..${to}`) });
    const first = messages.next();
    await channel.subscribe(() => {}).ready;
    node.publish("a", 6);
    node.send(gap(7, 8));
    node.send(gap(9, 9));
    node.publish("a", 10);
    const got: string[] = [`${(await first).value?.offset}`];
    for await (const { offset, gap } of messages) {
      got.push(`${gap?.from}..${gap?.to} ${offset}`);
      break;
    }
    expect(got).toEqual(["6", "7..9 10"]);
    expect(gaps).toEqual(["7..8", "9..9"]);
    expect(await messages.next()).toEqual({ value: undefined, done: true });
  });

  test("a reader that is too slow gets the newest, and is told what it missed: it never grows", async () => {
    const { node, channel, client } = start();
    const messages = channel.messages({ bufferMax: 10 });
    const done = signal();
    const subscription = channel.subscribe(({ offset }) => offset === 100 && done.fire());
    await subscription.ready;
    for (let offset = 6; offset <= 100; offset++) node.publish("a", offset);
    await done.fired;
    let expected = 6;
    for await (const { offset, gap } of messages) {
      if (gap) expect([gap.from, gap.to, gap.reason]).toEqual([expected, offset - 1, "dropped"]);
      else expect(offset).toBe(expected);
      expected = offset + 1;
      if (offset === 100) break;
    }
    const { lost, gaps } = client.stats();
    expect(lost).toBeGreaterThanOrEqual(85);
    expect(lost).toBeLessThanOrEqual(90);
    expect(gaps).toBeGreaterThan(0);
  });

  test("ends with the error that ended the subscription, after what was delivered before", async () => {
    const { node, channel } = start();
    const messages = channel.messages();
    const done = signal();
    const subscription = channel.subscribe(() => {});
    subscription.on("error", done.fire);
    await subscription.ready;
    node.publish("a", 6);
    node.send({ t: "unsubscribed", ch: "a", code: 223, name: "subscription_ended", msg: "" });
    await done.fired;
    expect((await messages.next()).value?.offset).toBe(6);
    await expect(messages.next()).rejects.toMatchObject({ code: "subscription_ended" });
    expect(await messages.next()).toEqual({ value: undefined, done: true });
  });
});

describe("the client", () => {
  test("what is asked for in the turn of its making goes out in one message with connect", async () => {
    const { node, channel } = start();
    const subscription = channel.subscribe(() => {});
    channel.presence.enter({ name: "Ada" }).catch(() => {});
    await subscription.ready;
    expect(node.log.slice(0, 3)).toEqual(["connect", "subscribe a", "enter a"]);
  });

  test("does nothing before connect() when autoConnect is false", async () => {
    const { node, client, channel } = start({ autoConnect: false });
    const subscription = channel.subscribe(() => {});
    await Bun.sleep(10);
    expect([client.state, node.log]).toEqual(["connecting", []]);
    client.connect();
    client.connect();
    await subscription.ready;
    expect(node.log).toEqual(["connect", "subscribe a"]);
  });

  test("state listeners hear every change, and can be removed", async () => {
    const { client } = start();
    const states: string[] = [];
    const connected = signal();
    const stop = client.on("state", ({ state, previous, reason }) => {
      states.push(`${previous} > ${state} (${reason})`);
      connected.fire();
    });
    await connected.fired;
    expect(states).toEqual(["connecting > connected (connected)"]);
    expect([client.session, client.node]).toEqual(["s1", "n"]);
    stop();
    await Promise.all([client.close(), client.close()]);
    expect([states.length, client.state]).toEqual([1, "closed"]);
  });

  test.each(["", "x".repeat(256)])("refuses the channel name %p", (name) => {
    const { client } = start({ autoConnect: false });
    expect(() => client.channel(name)).toThrow(
      expect.objectContaining({ code: "channel_invalid" }),
    );
  });

  test("close() with live subscriptions and presence reports nothing; who listens for their errors hears of it", async () => {
    const { client, channel } = start();
    const [reported, told]: [unknown[], string[]] = [[], []];
    client.on("error", (error) => reported.push(error));
    const quiet = channel.subscribe(() => {});
    channel.subscribe(() => {}).on("error", ({ code }) => told.push(code));
    channel.presence.on("change", () => {});
    await quiet.ready;
    await client.close();
    expect({ reported, told }).toEqual({ reported: [], told: ["closed"] });
  });

  test("a socket that cannot be made is a failed attempt, not an exception", async () => {
    class Broken {
      constructor() {
        throw new TypeError("insecure");
      }
    }
    const { client } = start({ WebSocket: Broken as never });
    const failed = signal();
    client.on("error", failed.fire);
    await failed.fired;
    expect(client.state).toBe("connecting");
  });
});
