// Checks `holdfast dev` as a whole: its URL, restarts that nobody notices, a broken contract,
// Ctrl-C, a killed supervisor.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Holdfast } from "@holdfast/client";
import { freePort } from "../free-port.ts";
import { childrenOf, eventually, isRunning, type RunningCommand, startCommand } from "./command.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "holdfast-dev-"));
const started: RunningCommand[] = [];
afterAll(() => {
  for (const command of started) command.signal("SIGKILL");
  rmSync(FOLDER, { recursive: true, force: true });
});

let projects = 0;

/** A folder of an application, with or without a contract. */
function project(contract?: string): string {
  const folder = join(FOLDER, `p${++projects}`);
  mkdirSync(folder);
  symlinkSync(
    fileURLToPath(new URL("../../node_modules", import.meta.url)),
    join(folder, "node_modules"),
  );
  if (contract !== undefined) writeFileSync(join(folder, "holdfast.config.ts"), contract);
  return folder;
}

interface Dev {
  readonly command: RunningCommand;
  readonly port: number;
  readonly url: string;
}

async function dev(cwd: string, ...args: readonly string[]): Promise<Dev> {
  const [port, internalPort] = [await freePort(), await freePort()];
  const command = startCommand(["dev", "--internal-port", String(internalPort), ...args], {
    cwd,
    env: { HOLDFAST_PORT: String(port) },
  });
  started.push(command);
  return { command, port, url: `http://localhost:${port}/` };
}

const ready = ({ command, url }: Dev) => command.until((output) => output.includes(url));
const restarts = ({ command }: Dev) => command.output().split(" restarted ").length - 1;

const CONTRACT = `import { defineContract } from "@holdfast/contract";
const open = { subscribe: "anyone", publish: "anyone", presence: "anyone", history: "anyone" } as const;
export default defineContract({ channels: { "chat:{room}": { permissions: open } } });
`;

describe("holdfast dev", () => {
  test("prints one URL, serves the page there, and Ctrl-C ends it and its nodes with 0", async () => {
    const running = await dev(project());
    await ready(running);
    const page = await fetch(running.url);
    expect([page.status, page.headers.get("content-type")]).toEqual([
      200,
      "text/html; charset=utf-8",
    ]);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(running.command.output().match(/https?:\/\//g)).toHaveLength(1);
    const nodes = childrenOf(running.command.pid);
    expect(nodes).toHaveLength(1);
    running.command.signal("SIGINT");
    expect(await running.command.ended()).toBe(0);
    expect(running.command.output().trimEnd().split("\n").at(-1)).toBe("stopped");
    for (const node of nodes) expect(await isRunning(node)).toBe(false);
  });

  test("restarts its node without anyone missing or seeing anything twice, and nobody is disconnected", async () => {
    const running = await dev(project(CONTRACT));
    await ready(running);
    const client = new Holdfast(`ws://127.0.0.1:${running.port}/connect`);
    const states: string[] = [];
    const got: unknown[] = [];
    const room = client.channel("chat:lobby");
    const subscription = room.subscribe((message) => got.push(message.data));
    await subscription.ready;
    client.on("state", ({ state }) => states.push(state));
    let sent = 0;
    let going = true;
    const publishing = (async () => {
      while (going) {
        await room.publish(sent++);
        await Bun.sleep(5);
      }
    })();
    for (let round = 1; round <= 3; round++) {
      const order = await fetch(`${running.url}dev/restart`, {
        method: "POST",
        headers: { origin: running.url.slice(0, -1) },
      });
      expect(order.status).toBe(202);
      await eventually(
        `restart ${round} is done and the old node gone`,
        () => restarts(running) === round && childrenOf(running.command.pid).length === 1,
      );
    }
    going = false;
    await publishing;
    await eventually("the last publication has arrived", () => got.length >= sent);
    expect(got).toEqual(Array.from({ length: sent }, (_, n) => n));
    expect(states).toEqual([]);
    await client.close();
    running.command.signal("SIGTERM");
    expect(await running.command.ended()).toBe(0);
  });

  test("takes a changed contract, keeps the old node while the contract is broken, and goes on when it is mended", async () => {
    const folder = project(CONTRACT);
    const file = join(folder, "holdfast.config.ts");
    const running = await dev(folder);
    await ready(running);
    const channels = async () => (await fetch(running.url)).text();
    expect(await channels()).toContain("chat:{room}");
    writeFileSync(file, CONTRACT.replace("chat:{room}", "talk:{room}"));
    await eventually("the new contract is served", async () =>
      (await channels()).includes("talk:{room}"),
    );
    writeFileSync(file, "export default {{{");
    await running.command.until(
      (output) => output.includes("cannot be used") && output.includes("node_kept"),
    );
    expect(await channels()).toContain("talk:{room}");
    writeFileSync(file, CONTRACT);
    await eventually("the mended contract is served", async () =>
      (await channels()).includes("chat:{room}"),
    );
    running.command.signal("SIGTERM");
    expect(await running.command.ended()).toBe(0);
  });

  test("with a contract that is broken from the start waits for a better one", async () => {
    const folder = project("export default {{{");
    const running = await dev(folder);
    await running.command.until((output) => output.includes("waiting_for_contract"));
    writeFileSync(join(folder, "holdfast.config.ts"), CONTRACT);
    await ready(running);
    running.command.signal("SIGTERM");
    expect(await running.command.ended()).toBe(0);
  });

  test("starts another node when the one that serves is killed", async () => {
    const running = await dev(project(CONTRACT));
    await ready(running);
    const [node = 0] = childrenOf(running.command.pid);
    process.kill(node, "SIGKILL");
    await running.command.until((output) => output.includes(" restarted "));
    expect((await fetch(running.url)).status).toBe(200);
    running.command.signal("SIGTERM");
    expect(await running.command.ended()).toBe(0);
  });

  test("takes its nodes with it when it is killed", async () => {
    const running = await dev(project(CONTRACT));
    await ready(running);
    const [node = 0] = childrenOf(running.command.pid);
    expect(await isRunning(node)).toBe(true);
    running.command.signal("SIGKILL");
    await eventually("the node has noticed", async () => !(await isRunning(node)));
  });

  test("says which port is in use and how to choose another, also when the other is a dev of its own kind", async () => {
    const running = await dev(project(CONTRACT));
    await ready(running);
    const second = startCommand(["dev"], {
      cwd: project(),
      env: { HOLDFAST_PORT: String(running.port), HOLDFAST_INTERNAL_PORT: "0" },
    });
    expect(await second.ended()).toBe(3);
    for (const part of [String(running.port), "HOLDFAST_PORT", "--port"])
      expect(second.output()).toContain(part);
    running.command.signal("SIGTERM");
    expect(await running.command.ended()).toBe(0);
  });

  test("refuses an internal port that was asked for and is in use", async () => {
    const taken = createServer();
    const port = await new Promise<number>((resolve) =>
      taken.listen({ host: "127.0.0.1", port: 0 }, () => {
        const address = taken.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      }),
    );
    const running = startCommand(["dev", "--port", "0", "--internal-port", String(port)], {
      cwd: project(),
    });
    expect(await running.ended()).toBe(3);
    expect(running.output()).toContain("HOLDFAST_INTERNAL_PORT");
    taken.close();
  });
});
