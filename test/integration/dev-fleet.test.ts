// Checks `holdfast dev --nodes 3` as a whole: a roll under load, a killed node, a broken contract,
// Ctrl-C, a killed supervisor.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Holdfast } from "@holdfast/client";
import type { FleetNode } from "@holdfast/demo";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import { childrenOf, eventually, isRunning, type RunningCommand, startCommand } from "./command.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "holdfast-fleet-"));
const TEST_MS = patience(60_000);
const started: RunningCommand[] = [];
afterAll(() => {
  for (const command of started) command.signal("SIGKILL");
  rmSync(FOLDER, { recursive: true, force: true });
});

const CONTRACT = `import { defineContract } from "@holdfast/contract";
const open = { subscribe: "anyone", publish: "anyone", presence: "anyone", history: "anyone" } as const;
export default defineContract({ channels: { "chat:{room}": { permissions: open } } });
`;

interface Fleet {
  readonly command: RunningCommand;
  readonly file: string;
  readonly url: string;
  readonly connectUrl: string;
  nodes(): Promise<readonly FleetNode[]>;
  roll(): Promise<void>;
  /** Process ids of the nodes. */
  processes(): readonly number[];
}

let fleets = 0;

/** Three nodes that serve. */
async function startFleet(): Promise<Fleet> {
  const folder = join(FOLDER, `f${++fleets}`);
  mkdirSync(folder);
  symlinkSync(
    fileURLToPath(new URL("../../node_modules", import.meta.url)),
    join(folder, "node_modules"),
  );
  const file = join(folder, "holdfast.config.ts");
  writeFileSync(file, CONTRACT);
  const port = await freePort();
  const command = startCommand(["dev", "--nodes", "3", "--port", String(port)], { cwd: folder });
  started.push(command);
  const url = `http://localhost:${port}/`;
  await command.until((output) => output.includes(url));
  return {
    command,
    file,
    url,
    connectUrl: `ws://127.0.0.1:${port}/connect`,
    // A connection of its own, as a stranger's would be.
    nodes: async () =>
      (await fetch(`${url}dev/nodes`, { headers: { connection: "close" } })).json() as Promise<
        FleetNode[]
      >,
    async roll() {
      const order = await fetch(`${url}dev/restart`, {
        method: "POST",
        headers: { origin: url.slice(0, -1) },
      });
      expect(order.status).toBe(202);
    },
    processes: () => childrenOf(command.pid),
  };
}

const times = ({ command }: Fleet, words: string) => command.output().split(words).length - 1;

/** All three places hold one ready node of the revision. */
const isWhole = async (fleet: Fleet, revision: string) => {
  const nodes = await fleet.nodes();
  return (
    nodes.map(({ slot }) => slot).join() === "0,1,2" &&
    nodes.every((one) => one.state === "ready" && one.revision === revision)
  );
};

/** A client that publishes and hears everyone, and what its application saw. */
class Member {
  readonly states: string[] = [];
  readonly seen: string[] = [];
  readonly client: Holdfast;
  readonly #name: string;
  #sent = 0;
  #going = true;
  #publishing: Promise<void> = Promise.resolve();

  constructor(fleet: Fleet, name: string) {
    this.#name = name;
    this.client = new Holdfast(fleet.connectUrl);
  }

  get sent(): number {
    return this.#sent;
  }

  async join(): Promise<void> {
    const room = this.client.channel("chat:lobby");
    await room.subscribe((message) => this.seen.push(String(message.data))).ready;
    this.client.on("state", ({ state }) => this.states.push(state));
  }

  publish(): void {
    this.#publishing = (async () => {
      while (this.#going) {
        await this.client.channel("chat:lobby").publish(`${this.#name}:${this.#sent++}`);
        await Bun.sleep(20);
      }
    })();
  }

  /** Resolves when everything that was published is acknowledged. */
  async stop(): Promise<void> {
    this.#going = false;
    await this.#publishing;
  }
}

async function join6(fleet: Fleet): Promise<readonly Member[]> {
  const members = ["a", "b", "c", "d", "e", "f"].map((name) => new Member(fleet, name));
  // One after the other: the balancer counts connections, and a burst of HTTP would count too.
  for (const member of members) await member.join();
  for (const member of members) member.publish();
  return members;
}

/**
 * Everyone saw everyone's publications once, each publisher's in its order, and all in the same
 * order.
 */
async function expectNothingLostOrDoubled(members: readonly Member[]): Promise<void> {
  for (const member of members) await member.stop();
  const total = members.reduce((sum, { sent }) => sum + sent, 0);
  await eventually("the last publication has arrived everywhere", () =>
    members.every(({ seen }) => seen.length >= total),
  );
  const [first] = members;
  for (const { seen } of members) {
    expect(seen.length).toBe(total);
    expect(new Set(seen).size).toBe(total);
    expect(seen).toEqual(first?.seen ?? []);
  }
}

describe("holdfast dev --nodes 3", () => {
  test(
    "rolls every node under six clients that publish: nothing lost or doubled, nobody but connected, each moved once",
    async () => {
      const fleet = await startFleet();
      const members = await join6(fleet);
      await eventually("two sessions on each node", async () =>
        (await fleet.nodes()).every(({ sessions }) => sessions === 2),
      );
      for (const [round, revision] of ["dev-2", "dev-3"].entries()) {
        await fleet.roll();
        await eventually("the roll is over", () => times(fleet, " restarted ") === round + 1);
        expect(fleet.processes()).toHaveLength(3);
        await eventually(`three ready nodes of ${revision}`, () => isWhole(fleet, revision));
        expect(members.map(({ client }) => client.stats().migrations)).toEqual(
          Array.from({ length: 6 }, () => round + 1),
        );
      }
      await expectNothingLostOrDoubled(members);
      expect(members.flatMap(({ states }) => states)).toEqual([]);
      expect(members.map(({ client }) => client.stats().reconnects)).toEqual([0, 0, 0, 0, 0, 0]);
      for (const { client } of members) await client.close();
      const nodes = fleet.processes();
      fleet.command.signal("SIGINT");
      expect(await fleet.command.ended()).toBe(0);
      expect(fleet.command.output().trimEnd().split("\n").at(-1)).toBe("stopped");
      for (const node of nodes) expect(await isRunning(node)).toBe(false);
    },
    TEST_MS,
  );

  test(
    "replaces a node that is killed; its clients come back and have missed nothing",
    async () => {
      const fleet = await startFleet();
      const members = await join6(fleet);
      const [victim = 0] = fleet.processes();
      process.kill(victim, "SIGKILL");
      await fleet.command.until(
        (output) => output.includes("node_died") && output.split("node_serving").length - 1 === 4,
      );
      await eventually("everyone is back", () =>
        members.every(({ client }) => client.state === "connected"),
      );
      await eventually("three ready nodes", () => isWhole(fleet, "dev-1"));
      expect(fleet.processes()).toHaveLength(3);
      await expectNothingLostOrDoubled(members);
      const returned = members.filter(({ client }) => client.stats().reconnects === 1);
      expect(returned).toHaveLength(2);
      expect(members.every(({ client }) => client.stats().reconnects <= 1)).toBe(true);
      for (const { client } of members) await client.close();
      fleet.command.signal("SIGTERM");
      expect(await fleet.command.ended()).toBe(0);
    },
    TEST_MS,
  );

  test(
    "rolls when the contract changes, and keeps every node while it is broken",
    async () => {
      const fleet = await startFleet();
      const channels = async () =>
        (await fetch(fleet.url, { headers: { connection: "close" } })).text();
      writeFileSync(fleet.file, "export default {{{");
      await fleet.command.until(
        (output) => output.includes("cannot be used") && output.includes("node_kept"),
      );
      expect(await isWhole(fleet, "dev-1")).toBe(true);
      writeFileSync(fleet.file, CONTRACT.replace("chat:{room}", "talk:{room}"));
      await eventually("the roll is over", () => times(fleet, " restarted ") === 1);
      await eventually("three ready nodes of the third try", () => isWhole(fleet, "dev-3"));
      expect(await channels()).toContain("talk:{room}");
      expect(times(fleet, "cannot be used")).toBe(1);
      fleet.command.signal("SIGTERM");
      expect(await fleet.command.ended()).toBe(0);
    },
    TEST_MS,
  );

  test(
    "takes its nodes with it when it is killed",
    async () => {
      const fleet = await startFleet();
      const nodes = fleet.processes();
      expect(nodes).toHaveLength(3);
      fleet.command.signal("SIGKILL");
      await eventually(
        "the nodes have noticed",
        async () => !(await Promise.all(nodes.map(isRunning))).some(Boolean),
      );
    },
    TEST_MS,
  );

  test("refuses a count that it cannot run, and says what there may be", async () => {
    for (const count of ["0", "9", "two"]) {
      const refused = startCommand(["dev", "--nodes", count], { cwd: FOLDER });
      expect(await refused.ended()).toBe(2);
      expect(refused.output()).toContain("from 1 to 8");
    }
  });
});
