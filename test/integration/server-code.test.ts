// Owns: code of the contract on real nodes: what a handler on one node does to clients of another,
// and the life of what the application starts.
import { afterEach, expect, test } from "bun:test";
import { Holdfast } from "@holdfast/client";
import { defineContract } from "@holdfast/contract";
import { z } from "zod";
import { sharedBroker, startNode, type TestNode, until } from "./start-node.ts";

const nodes: TestNode[] = [];
const clients: Holdfast[] = [];
const start = async (...options: Parameters<typeof startNode>): Promise<TestNode> => {
  const node = await startNode(...options);
  nodes.push(node);
  return node;
};
const connect = (node: TestNode): Holdfast => {
  const client = new Holdfast(node.url);
  clients.push(client);
  return client;
};

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const { node } of nodes.splice(0)) await node.stop();
});

function deskContract(life: string[]) {
  return defineContract({
    channels: {
      "room:{id}": {
        payload: z.object({ text: z.string() }),
        permissions: { subscribe: "anyone", publish: "nobody", history: "anyone" },
      },
    },
    dependencies: {
      start: async ({ log }) => {
        log.info("the desk opens");
        await Bun.sleep(1);
        life.push("started");
        return { tickets: new Map([["7", "printer"]]) };
      },
      stop: ({ tickets }) => {
        life.push(`stopped with ${tickets.size}`);
      },
    },
    rpc: {
      close: {
        input: z.object({ ticket: z.string() }),
        output: z.object({ offset: z.number(), lines: z.number() }),
        allow: "anyone",
        handler: async ({ ticket }, { publish, history, dependencies }) => {
          const what = dependencies.tickets.get(ticket) ?? "nothing";
          const { offset } = await publish(`room:${ticket}`, { text: `${what} is closed` });
          const { publications } = await history(`room:${ticket}`);
          return { offset, lines: publications.length };
        },
      },
    },
  });
}

test("a handler on one node tells a room whose members are on another", async () => {
  const life: string[] = [];
  const broker = sharedBroker();
  const contract = deskContract(life);
  const one = await start({ contract, broker });
  const other = await start({ contract, broker });
  expect(life).toEqual(["started", "started"]);
  const heard: unknown[] = [];
  const reader = connect(other);
  await reader.channel("room:7").subscribe((publication) => heard.push(publication.data)).ready;
  expect(await connect(one).rpc("close", { ticket: "7" })).toEqual({ offset: 1, lines: 1 });
  await until("the room hears it", () => heard.length > 0);
  expect(heard).toEqual([{ text: "printer is closed" }]);
  expect([...one.bugs, ...other.bugs]).toEqual([]);
});

test("what the contract starts is stopped once, when the node has stopped", async () => {
  const life: string[] = [];
  const { node } = await start({ contract: deskContract(life) });
  await node.stop();
  await node.stop();
  expect(life).toEqual(["started", "stopped with 1"]);
});

test("a node whose dependencies do not start does not start, and says why", async () => {
  const contract = defineContract({
    channels: {},
    dependencies: { start: () => Promise.reject(new Error("no database at db:5432")) },
  });
  const failed = startNode({ contract });
  await expect(failed).rejects.toMatchObject({
    code: "dependencies_failed",
    message: "Cannot start the contract's dependencies: found no database at db:5432",
  });
});
