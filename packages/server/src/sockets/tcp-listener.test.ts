// Owns: tests of the TCP listener: peers that are gone before anybody looked at them.
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { listenTcp } from "./tcp-listener.ts";

/** Connects and resets at once, so often, while this process does something else. */
const LEAVES = `
  import { connect } from "node:net";
  const sockets = Array.from({ length: 40 }, () => connect(Number(process.argv.at(-1)), "127.0.0.1"));
  for (const socket of sockets) {
    await new Promise((done) => socket.once("connect", done));
    socket.resetAndDestroy();
  }
`;

test("a peer that has left is no client, and one that stays is", async () => {
  const errors: unknown[] = [];
  const addresses: (string | undefined)[] = [];
  const listener = listenTcp({
    ...{ host: "127.0.0.1", port: 0, reusePort: false, queueBytesMax: 1024, socketsMax: 100 },
    onError: (_where, error) => void errors.push(error),
    onFull: () => {},
    open: (_link, socket) => {
      addresses.push(socket.remoteAddress);
      return { message() {}, processed() {}, writable() {}, closed() {} } as never;
    },
  });
  try {
    const child = Bun.spawn([process.execPath, "-e", LEAVES, String(listener.port)], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    // Nothing is accepted before the peers have left.
    const untilMs = performance.now() + 20_000;
    while (performance.now() < untilMs && !hasEnded(child.pid)) Bun.sleepSync(20);
    await child.exited;
    const stays = await Bun.connect({
      ...{ hostname: "127.0.0.1", port: listener.port, socket: { data() {} } },
    });
    const waitsMs = performance.now() + 10_000;
    while (addresses.length === 0 && performance.now() < waitsMs) await Bun.sleep(5);
    await Bun.sleep(0);
    stays.end();
    expect(errors).toEqual([]);
    expect(addresses).toStrictEqual(["127.0.0.1"]);
  } finally {
    listener.end();
  }
});

/** A process that has ended stays a zombie until it is waited for. */
function hasEnded(pid: number): boolean {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).startsWith("Z");
}
