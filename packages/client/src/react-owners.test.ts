import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { act, createElement, Fragment, type ReactNode, Suspense, use } from "react";
import { useChannel, useLatest, usePresence, useRpc } from "./react.ts";
import { installReactGlobals, mount, until } from "./testing/react-mount.ts";
import { createNodeLike, type NodeLike } from "./testing/socket-node.ts";

let restore: () => void;
beforeAll(() => {
  restore = installReactGlobals();
});
afterAll(() => restore());

const presenceOf = (node: NodeLike) =>
  node.log.filter((line) => /^(enter|update|leave) /.test(line));
const subscriptionsOf = (node: NodeLike) => node.log.filter((line) => /subscribe /.test(line));

function Member({ name }: { readonly name: string }) {
  usePresence("a", { name });
  return null;
}
function Watcher() {
  usePresence("a");
  return null;
}
function Reader({ seen }: { readonly seen?: unknown[] }) {
  const { messages } = useChannel("a");
  seen?.splice(0, seen.length, ...messages.map(({ offset }) => offset));
  return null;
}
function Latest() {
  useLatest("a");
  return null;
}
const all = (...children: readonly ReactNode[]) => createElement(Fragment, null, ...children);
const member = (name: string, key = name) => createElement(Member, { name, key });

describe("two components, under StrictMode", () => {
  test("are one member: it leaves with the last of them", async () => {
    await using node = createNodeLike();
    const { render, settle, unmount, client } = await mount(
      node,
      all(member("Ada", "1"), member("Ada", "2")),
    );
    await settle();
    expect(presenceOf(node)).toEqual(["enter a"]);
    await render(all(member("Ada", "2")));
    await settle();
    expect(presenceOf(node)).toEqual(["enter a"]);
    await unmount();
    await until(() => presenceOf(node).length > 1);
    expect(presenceOf(node)).toEqual(["enter a", "leave a"]);
    await client.close();
  });

  test("with other data: the data of one that stays is shown again", async () => {
    await using node = createNodeLike();
    const { render, settle, unmount, client } = await mount(node, all(member("Ada")));
    await settle();
    await render(all(member("Ada"), member("Grace")));
    await settle();
    await render(all(member("Ada")));
    await settle();
    expect(presenceOf(node)).toEqual(["enter a", "update a", "update a"]);
    await unmount();
    await client.close();
  });

  test("and a handle of the application are counted together", async () => {
    await using node = createNodeLike();
    const { settle, unmount, client } = await mount(node, member("Ada"));
    const { presence } = client.channel("a");
    await settle();
    await presence.enter({ name: "Ada" });
    await unmount();
    await client.rpc("echo", 1);
    expect(presenceOf(node)).toEqual(["enter a"]);
    const other = client.channel("a").presence.leave();
    expect(await other.catch((error) => error.code)).toBe("not_entered");
    await presence.leave();
    expect(presenceOf(node)).toEqual(["enter a", "leave a"]);
    await client.close();
  });

  test.each([
    ["useChannel", Reader, "subscribe a", "unsubscribe a"],
    ["useLatest", Latest, "subscribe a", "unsubscribe a"],
    ["usePresence without data", Watcher, "watch a", "unwatch a"],
  ])("of %s share what is live; it ends with the last of them", async (_name, hook, begin, end) => {
    await using node = createNodeLike();
    const one = (key: string) => createElement(hook as () => null, { key });
    const { render, settle, unmount, client } = await mount(node, all(one("1"), one("2")));
    await settle();
    const begun = node.log.filter((line) => line === begin).length;
    const ended = node.log.filter((line) => line === end).length;
    expect([begun, ended]).toEqual([1, 0]);
    await render(all(one("2")));
    await settle();
    expect(node.log.filter((line) => line === end)).toHaveLength(ended);
    await unmount();
    await until(() => node.log.filter((line) => line === end).length > ended);
    expect(node.log.filter((line) => line === end)).toHaveLength(ended + 1);
    expect(node.log.filter((line) => line === begin)).toHaveLength(begun);
    await client.close();
  });

  test("that call a method: one that goes cancels its own call only", async () => {
    await using node = createNodeLike();
    const calls: Record<string, (input: unknown) => Promise<unknown>> = {};
    const Caller = ({ name }: { readonly name: string }) => {
      const [call] = useRpc("echo");
      calls[name] = call;
      return null;
    };
    const caller = (name: string) => createElement(Caller, { name, key: name });
    const { render, unmount, client } = await mount(node, all(caller("one"), caller("two")));
    const ended: string[] = [];
    await act(async () => {
      for (const name of ["one", "two"])
        calls[name]?.("never").catch((error) => ended.push(`${name} ${error.code}`));
      await client.rpc("echo", 1);
    });
    await render(all(caller("two")));
    await until(() => ended.length > 0);
    expect(ended).toEqual(["one aborted"]);
    await unmount();
    await client.close();
  });
});

describe("a component that is replaced in one turn", () => {
  test("by another key stays a member without a word, and goes on reading", async () => {
    await using node = createNodeLike();
    const seen: unknown[] = [];
    const page = (key: string) =>
      createElement(Fragment, { key }, createElement(Reader, { seen }), member("Ada"));
    const { render, settle, unmount, client } = await mount(node, page("1"));
    await settle();
    await render(page("2"));
    await settle();
    node.publish("a", 6);
    await until(() => seen.length > 0);
    expect(seen).toEqual([6]);
    expect(presenceOf(node)).toEqual(["enter a"]);
    expect(node.live("a")).toBe(1);
    await unmount();
    await client.close();
  });

  test("by another route's component is a member all along, with the new data", async () => {
    await using node = createNodeLike();
    const Settings = () => {
      usePresence("a", { name: "Ada", page: "settings" });
      return null;
    };
    const { render, settle, unmount, client } = await mount(node, member("Ada"));
    await settle();
    await render(createElement(Settings));
    await settle();
    expect(presenceOf(node)).toEqual(["enter a", "update a"]);
    await render(null);
    await until(() => presenceOf(node).length > 2);
    expect(presenceOf(node)).toEqual(["enter a", "update a", "leave a"]);
    await unmount();
    await client.close();
  });

  test("whose channel changes leaves the old one and enters the new one", async () => {
    await using node = createNodeLike();
    const Room = ({ channel }: { readonly channel: string }) => {
      usePresence(channel, { name: "Ada" });
      return null;
    };
    const { render, settle, unmount, client } = await mount(
      node,
      createElement(Room, { channel: "a" }),
    );
    await settle();
    await render(createElement(Room, { channel: "b" }));
    await settle();
    expect(presenceOf(node).toSorted()).toEqual(["enter a", "enter b", "leave a"]);
    await unmount();
    await client.close();
  });
});

describe("a component that suspends", () => {
  const later = () => {
    let resolve = () => {};
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    return { promise, resolve };
  };

  test("before it was shown is no member; shown, it is", async () => {
    await using node = createNodeLike();
    const { promise, resolve } = later();
    const Slow = () => {
      usePresence("a", { name: "Ada" });
      use(promise);
      return null;
    };
    const page = createElement(Suspense, { fallback: null }, createElement(Slow));
    const { settle, unmount, client } = await mount(node, page);
    await settle();
    expect(presenceOf(node)).toEqual([]);
    await act(async () => resolve());
    await settle();
    expect(presenceOf(node)).toEqual(["enter a"]);
    await unmount();
    await client.close();
  });

  test("while it is shown stays a member, and stays subscribed", async () => {
    await using node = createNodeLike();
    const { promise, resolve } = later();
    const Page = ({ waits }: { readonly waits: boolean }) => {
      usePresence("a", { name: "Ada" });
      useChannel("a");
      if (waits) use(promise);
      return null;
    };
    const page = (waits: boolean) =>
      createElement(Suspense, { fallback: null }, createElement(Page, { waits }));
    const { render, settle, unmount, client } = await mount(node, page(false));
    await settle();
    const before = [...presenceOf(node), ...subscriptionsOf(node)];
    await render(page(true));
    await settle();
    await act(async () => resolve());
    await settle();
    expect([...presenceOf(node), ...subscriptionsOf(node)]).toEqual(before);
    expect(node.live("a")).toBe(1);
    await unmount();
    await client.close();
  });
});

describe("errors are shown until their cause has passed", () => {
  test("a subscription that was refused for good and is accepted on the next connection", async () => {
    await using node = createNodeLike();
    const refusal = { code: 203, name: "permission_denied" };
    node.refusals.set("subscribe a", refusal);
    let view = "";
    const Page = () => {
      const { error, ready, messages } = useChannel("a", { history: 2 });
      view = `${error?.code} ${ready} ${messages.length}`;
      return null;
    };
    const { settle, unmount, client } = await mount(node, createElement(Page));
    client.on("error", () => {});
    await settle();
    expect(view).toBe("permission_denied false 0");
    node.refusals.clear();
    node.drop();
    await until(() => view === "undefined true 2");
    expect(view).toBe("undefined true 2");
    await unmount();
    await client.close();
  });

  test("a history that could not be read for the moment is read again", async () => {
    await using node = createNodeLike();
    node.refusals.set("history a", { code: 214, name: "broker_unavailable" });
    const views: string[] = [];
    const Page = () => {
      const { error, ready, messages } = useChannel("a", { history: 2 });
      views.push(`${error?.code} ${ready} ${messages.length}`);
      return null;
    };
    const { settle, unmount, client } = await mount(node, createElement(Page));
    await settle();
    expect(views.at(-1)).toBe("broker_unavailable false 0");
    node.refusals.clear();
    await until(() => views.at(-1) === "undefined true 2");
    expect(views.at(-1)).toBe("undefined true 2");
    await unmount();
    await client.close();
  });

  test("a call's, when the component calls another method", async () => {
    await using node = createNodeLike();
    node.refusals.set("rpc ", { code: 216, name: "rpc_failed" });
    let call: (input: unknown) => Promise<unknown> = async () => {};
    let view = "";
    const Page = ({ method }: { readonly method: string }) => {
      const [rpc, { error, pending }] = useRpc(method);
      call = rpc;
      view = `${error?.code} ${pending}`;
      return null;
    };
    const page = (method: string) => createElement(Page, { method });
    const { render, unmount, client } = await mount(node, page("one"));
    await act(async () => void (await call(1).catch(() => {})));
    expect(view).toBe("rpc_failed false");
    await render(page("two"));
    expect(view).toBe("undefined false");
    await unmount();
    await client.close();
  });

  test("members that may not be seen any more are not shown any more", async () => {
    await using node = createNodeLike();
    let seen = 0;
    const Page = () => {
      seen = usePresence("a", { name: "Ada" }).length;
      return null;
    };
    const { settle, unmount, client } = await mount(node, createElement(Page));
    client.on("error", () => {});
    await settle();
    expect(seen).toBe(1);
    node.send({
      t: "unsubscribed",
      ch: "a",
      code: 223,
      name: "subscription_ended",
      msg: "",
      of: "presence",
    });
    await settle();
    expect(seen).toBe(0);
    await unmount();
    await client.close();
  });
});
