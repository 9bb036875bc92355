// Owns: the contract suite of doors: what a client of any door must get from a node.
import { describe, expect, test } from "bun:test";
import type { Link, NodeEngine } from "@holdfast/core";
import { createEngineHarness, type EngineHarness, TEST_SETTINGS } from "../engine-harness.ts";

/** A client of the door, as the suite drives it. Calls hand messages to the door at once. */
export interface DoorTestClient {
  connect(): void;
  subscribe(channel: string): void;
  publish(channel: string, text: string): void;
  /** A message that the door cannot read at all. */
  sayNonsense(): void;
  /** Texts of publications that the client was sent, in order; each is told once. */
  received(): readonly string[];
  /** The transport lost the connection. */
  lose(): void;
}

const CHANNEL = "door:a";
const permissions = { subscribe: "anyone", publish: "anyone" } as const;

/** `open` makes a client of the door on a link; what the link was sent is in `sent`. */
export function describeDoor(
  name: string,
  open: (
    engine: NodeEngine,
    link: Link & { readonly messages: (string | Uint8Array)[] },
    harness: EngineHarness,
  ) => DoorTestClient,
): void {
  const start = async () => {
    const contract = { channels: { "door:{x}": { permissions } } };
    const harness = await createEngineHarness({ contract, settings: TEST_SETTINGS });
    const join = async () => {
      const link = harness.link();
      const client = open(harness.engine, link, harness);
      client.connect();
      await harness.settle();
      client.subscribe(CHANNEL);
      await harness.settle();
      return { client, link };
    };
    return { ...harness, join };
  };
  const publish = ({ engine }: Pick<EngineHarness, "engine">, text: string) =>
    engine.publish(CHANNEL, { payload: { kind: "json", text: JSON.stringify(text) } });

  describe(`door contract: ${name}`, () => {
    test("a client connects, subscribes, publishes and receives what others publish, in order", async () => {
      const node = await start();
      const [a, b] = [await node.join(), await node.join()];
      expect(node.engine.info()).toMatchObject({ sessions: 2, subscriptions: 2 });
      a.client.publish(CHANNEL, "one");
      await node.settle();
      await publish(node, "two");
      await node.settle();
      expect(b.client.received()).toEqual(["one", "two"]);
      expect(a.client.received()).toEqual(["one", "two"]);
      expect(node.bugs).toEqual([]);
    });

    test("a room of many gets each publication once", async () => {
      const node = await start();
      const clients = [];
      for (let i = 0; i < TEST_SETTINGS.flow.groupFrom + 2; i++) clients.push(await node.join());
      for (const text of ["one", "two", "three"]) await publish(node, text);
      await node.settle();
      for (const { client } of clients) expect(client.received()).toEqual(["one", "two", "three"]);
    });

    test("nonsense ends its connection alone", async () => {
      const node = await start();
      const [rude, other] = [await node.join(), await node.join()];
      rude.client.sayNonsense();
      await node.settle();
      await publish(node, "one");
      await node.settle();
      expect(node.engine.info().connections).toBe(1);
      expect(other.client.received()).toEqual(["one"]);
    });

    test("a connection that is lost leaves nothing behind", async () => {
      const node = await start();
      const { client } = await node.join();
      client.lose();
      client.publish(CHANNEL, "too late");
      await node.settle();
      expect(node.engine.info()).toMatchObject({ connections: 0, sessions: 0, subscriptions: 0 });
    });
  });
}
