import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Holdfast } from "@holdfast/client";
import { act, createElement } from "react";
import { renderToString } from "react-dom/server";
import {
  createHooks,
  HoldfastProvider,
  useChannel,
  useConnectionState,
  useHoldfast,
  useLatest,
  usePresence,
  useRpc,
} from "./react.ts";
import { installReactGlobals, mount, until } from "./testing/react-mount.ts";
import { createNodeLike } from "./testing/socket-node.ts";

let restore: () => void;
beforeAll(() => {
  restore = installReactGlobals();
});
// Other test files in this process shall not find them.
afterAll(() => restore());

const mountComponent = (...[node, component]: [Parameters<typeof mount>[0], () => null]) =>
  mount(node, createElement(component));

describe("on a server", () => {
  test("every hook renders something empty, and no socket is opened", () => {
    const client = new Holdfast("ws://127.0.0.1:1/connect", { autoConnect: false });
    const Page = () => {
      const { messages } = useChannel("a", { history: 10 });
      const { latest } = useLatest("b");
      const members = usePresence("a", { name: "Ada" });
      const [, { pending }] = useRpc("sum");
      return `${useConnectionState()} ${messages.length} ${latest.size} ${members.length} ${pending} ${useHoldfast() === client}`;
    };
    expect(renderToString(createElement(HoldfastProvider, { client }, createElement(Page)))).toBe(
      "connecting 0 0 0 false true",
    );
  });

  test("a hook without a provider says so", () => {
    const Page = () => useHoldfast().state;
    expect(() => renderToString(createElement(Page))).toThrow("no HoldfastProvider above");
  });
});

describe("under StrictMode, which mounts everything twice", () => {
  test("useChannel holds one subscription, joins history and live messages without doubles, and ends with the component", async () => {
    await using node = createNodeLike();
    const views: string[] = [];
    const { settle, unmount, client } = await mountComponent(node, () => {
      const { messages, ready } = useChannel("a", { history: 3, limit: 4 });
      const state = useConnectionState();
      views.push(`${state} ${ready} ${messages.map(({ offset }) => offset).join(",")}`);
      return null;
    });
    await settle();
    node.publish("a", 6);
    await settle();
    expect(node.live("a")).toBe(1);
    expect(views.at(-1)).toBe("connected true 3,4,5,6");
    await unmount();
    await until(() => node.live("a") === 0);
    expect(node.live("a")).toBe(0);
    await client.close();
  });

  test("useLatest shows the newest message of each key", async () => {
    await using node = createNodeLike();
    let seen = new Map<string, number>();
    const { settle, unmount, client } = await mountComponent(node, () => {
      seen = new Map([...useLatest("latest").latest].map(([key, { offset }]) => [key, offset]));
      return null;
    });
    await settle();
    node.publish("latest", 6, "k1");
    node.publish("latest", 7, "k2");
    await settle();
    expect([...seen]).toEqual([
      ["k3", 3],
      ["k4", 4],
      ["k5", 5],
      ["k1", 6],
      ["k2", 7],
    ]);
    await unmount();
    await client.close();
  });

  test("usePresence enters once, never leaves on the way, and leaves with the component", async () => {
    await using node = createNodeLike();
    let names: unknown[] = [];
    const { settle, unmount, client } = await mountComponent(node, () => {
      names = usePresence("a", { name: "Ada" }).map(({ data }) => data);
      return null;
    });
    await settle();
    expect(names).toEqual([{ name: "Ada" }]);
    expect(node.log.filter((line) => /enter|leave|update/.test(line))).toEqual(["enter a"]);
    await unmount();
    await until(() => node.log.includes("leave a"));
    expect(node.log.filter((line) => /enter|leave|update/.test(line))).toEqual([
      "enter a",
      "leave a",
    ]);
    await client.close();
  });

  test("usePresence with data that cannot travel tells an error, and the page renders on", async () => {
    await using node = createNodeLike();
    for (const [data, path] of [
      [{ at: new Date(0) }, "at"],
      [{ n: 1n }, "n"],
    ] as const) {
      const errors: unknown[] = [];
      let stop: (() => void) | undefined;
      const { settle, unmount, client } = await mountComponent(node, () => {
        stop ??= useHoldfast().on("error", (error) => errors.push(error));
        usePresence("a", data);
        return null;
      });
      await settle();
      expect(errors[0]).toMatchObject({ code: "payload_invalid", path });
      stop?.();
      expect(node.log.filter((line) => /enter|update/.test(line))).toEqual([]);
      await unmount();
      await client.close();
    }
  });

  test("useRpc shows the newest call; unmounting cancels what is in flight", async () => {
    await using node = createNodeLike();
    let call: (input: unknown) => Promise<unknown> = async () => undefined;
    const states: string[] = [];
    const { settle, unmount, client } = await mountComponent(node, () => {
      const [rpc, { pending, data, error }] = useRpc("echo");
      call = rpc;
      states.push(`${pending} ${JSON.stringify(data)} ${error?.code}`);
      return null;
    });
    await settle();
    await act(async () => {
      await call("hi");
    });
    expect(states.at(-1)).toBe('false "hi" undefined');
    let slow: Promise<unknown> = Promise.resolve();
    await act(async () => {
      slow = call("never").catch((error) => error.code);
    });
    expect(states.at(-1)).toBe("true undefined undefined");
    await unmount();
    expect(await slow).toBe("aborted");
    await client.close();
  });
});

test("createHooks gives the same hooks, typed", () => {
  expect(createHooks()).toEqual({
    useHoldfast,
    useConnectionState,
    useChannel,
    useLatest,
    usePresence,
    useRpc,
  } as never);
});
