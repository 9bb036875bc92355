// Applications that hand their clients over, in every language that has an example, behind a real
// gateway: each message counts once and is answered once, whatever happens to their processes.
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { handoff } from "@holdfast/rehoming";
import { sleep } from "bun";
import { patience } from "../patience.ts";
import {
  endPrograms,
  gatewayBed,
  gatewayBedWith,
  type PlainClient,
  plainClient,
  startProgram,
  until,
} from "./bed.ts";

setDefaultTimeout(patience(60_000));

const ROOT = join(import.meta.dir, "../..");
const BUILT = join(ROOT, ".cache/gateway-test-handoff.mjs");
const { PYTHON = "python3", PYTHONPATH = "", HANDOFF_GO = "" } = process.env;

const built = Bun.build({
  entrypoints: [join(ROOT, "packages/handoff/src/index.ts")],
  ...{ target: "node", format: "esm", conditions: ["bun"] },
}).then(async ({ outputs: [module] }) => Bun.write(BUILT, (await module?.text()) ?? ""));
afterAll(() => Bun.file(BUILT).delete());

afterEach(endPrograms);

const APPLICATIONS = {
  bun: [process.execPath, join(import.meta.dir, "handoff-bun.ts")],
  node: ["node", join(import.meta.dir, "handoff-node.mjs"), BUILT],
  python: [PYTHON, join(ROOT, "examples/handoff-python/counter.py"), "0"],
  go: [HANDOFF_GO, "0"],
};
const start = async (name: string, env: Readonly<Record<string, string>> = {}) => {
  await built;
  return startProgram(APPLICATIONS[name as keyof typeof APPLICATIONS], { PYTHONPATH, ...env });
};

/** Sends numbers all the time, until told to stop; then each must be counted and answered once. */
async function talking(url: string, count: number) {
  const clients = await Promise.all(Array.from({ length: count }, () => plainClient(url)));
  let sent = 0;
  const timer = setInterval(() => {
    for (const { socket } of clients) socket.send(`m${sent}`);
    sent += 1;
  }, 5);
  return {
    clients,
    async stop(): Promise<void> {
      clearInterval(timer);
      await until("all answers", () => clients.every(({ got }) => got.length >= sent));
      const expected = Array.from({ length: sent }, (_, i) => `${i + 1} m${i}`);
      for (const { got, closed } of clients)
        expect({ got, closed }).toEqual({ got: expected, closed: undefined });
    },
  };
}
const close = (clients: readonly PlainClient[]): void => {
  for (const { socket } of clients) socket.close();
};

describe.each(Object.keys(APPLICATIONS))("an application on %s", (name) => {
  test("is replaced by another process, twice, while 20 clients talk", async () => {
    let program = await start(name);
    using bed = gatewayBed(handoff(), program.address);
    const { clients, stop } = await talking(bed.url, 20);
    for (let round = 0; round < 2; round++) {
      await sleep(200);
      const next = await start(name);
      bed.takes(program.address, next.address);
      bed.takes(next.address);
      bed.drain(program.address);
      await until("all moved", () => bed.count(next.address) === clients.length);
      await program.kill();
      program = next;
    }
    await stop();
    expect([bed.moves.filter(({ cause }) => cause === "drain").length, bed.dropped]).toEqual([
      40, 0,
    ]);
    close(clients);
    await until("the room is given back", () => bed.taken === 0);
    await program.kill();
  });

  test("is killed with SIGKILL in the middle, three times", async () => {
    let program = await start(name);
    using bed = gatewayBed(handoff(), program.address);
    const { clients, stop } = await talking(bed.url, 20);
    for (let round = 0; round < 3; round++) {
      await sleep(200);
      const next = await start(name);
      bed.takes(program.address, next.address);
      await program.kill();
      bed.takes(next.address);
      await until("all moved", () => bed.count(next.address) === clients.length);
      program = next;
    }
    await stop();
    expect([bed.moves.length, bed.dropped]).toEqual([60, 0]);
    close(clients);
    await until("the room is given back", () => bed.taken === 0);
    await program.kill();
  });
});

test("a process that freezes is left within twice the time, and may go on afterwards", async () => {
  const [frozen, other] = [await start("bun"), await start("bun")];
  using bed = gatewayBed(handoff({ commitMsMax: 300 }), frozen.address);
  const { clients, stop } = await talking(bed.url, 5);
  await sleep(200);
  bed.takes(frozen.address, other.address);
  frozen.child.kill("SIGSTOP");
  await until("all moved", () => bed.count(other.address) === clients.length);
  frozen.child.kill("SIGCONT");
  await stop();
  close(clients);
  await Promise.all([frozen.kill(), other.kill()]);
});

test("a state may be longer than a message of the route", async () => {
  const long = { STATE_BYTES: "60000" };
  const programs = [await start("bun", long), await start("bun", long)];
  const [one, two] = programs.map(({ address }) => address);
  const limits = { profile: handoff(), messageBytesMax: 1000 };
  using bed = gatewayBedWith(limits, one ?? "");
  const client = await plainClient(bed.url);
  client.socket.send("a");
  await until("an answer", () => client.got.length === 1);
  bed.takes(one ?? "", two ?? "");
  bed.drain(one ?? "");
  await until("moved", () => bed.count(two ?? "") === 1);
  client.socket.send("b");
  await until("an answer", () => client.got.length === 2);
  expect([client.got, client.closed]).toEqual([["1 a", "2 b"], undefined]);
  client.socket.close();
  for (const program of programs) await program.kill();
});

test("the client's own subprotocol is negotiated with the application", async () => {
  const program = await start("bun");
  using bed = gatewayBed(handoff(), program.address);
  const client = await plainClient(bed.url, ["counter.v1", "counter.v2"]);
  expect(client.socket.protocol).toBe("counter.v2");
  client.socket.close();
  // Past the gateway, the same application serves plain clients.
  const plain = await plainClient(`ws://${program.address}/`, ["counter.v2"]);
  plain.socket.send("x");
  await until("an answer", () => plain.got.length === 1);
  expect([plain.socket.protocol, plain.got]).toEqual(["counter.v2", ["1 x"]]);
  plain.socket.close();
  await program.kill();
});

test("an application that does not speak the protocol gets no client", async () => {
  using server = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1", websocket: { message() {} } },
    fetch: (request, self) =>
      self.upgrade(request, { headers: { "Sec-WebSocket-Protocol": "" } })
        ? undefined
        : new Response("no"),
  });
  using bed = gatewayBed(handoff(), `127.0.0.1:${server.port}`);
  await expect(plainClient(bed.url)).rejects.toThrow("did not open");
});
