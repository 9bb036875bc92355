// Owns: how a load gets there: TLS, several local addresses, several URLs, several processes.
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LoadError, ping, runLoad } from "@holdfast/load";
import { smallBasics } from "./plans.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "holdfast-bench-"));
  const args =
    "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1";
  const made = Bun.spawnSync(
    [
      "openssl",
      ...args.split(" "),
      "-keyout",
      join(folder, "key.pem"),
      "-out",
      join(folder, "cert.pem"),
    ],
    {
      stderr: "ignore",
    },
  );
  expect(made.exitCode).toBe(0);
});
afterAll(() => rm(folder, { recursive: true }));

function echoServer(tls?: { readonly key: Bun.BunFile; readonly cert: Bun.BunFile }) {
  const addresses = new Set<string>();
  let opened = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "0.0.0.0",
    ...(tls === undefined ? {} : { tls }),
    fetch: (request, self) =>
      self.upgrade(request) ? undefined : new Response("", { status: 426 }),
    websocket: {
      open: (socket) => {
        addresses.add(socket.remoteAddress);
        opened++;
      },
      message: (socket, message) => void socket.send(message),
    },
  });
  return { port: server.port, addresses, opened: () => opened, stop: () => server.stop(true) };
}

test("TLS: a certificate that is not trusted keeps everyone out, unless it is told not to look", async () => {
  const server = echoServer({
    key: Bun.file(join(folder, "key.pem")),
    cert: Bun.file(join(folder, "cert.pem")),
  });
  const basics = smallBasics("ws", `wss://127.0.0.1:${server.port}`, { ms: 200 });
  try {
    const plan = ping(basics, { pingsPerSecond: 50 });
    const phases = plan.phases.map((phase) =>
      phase.do === "connect" ? { ...phase, msMax: 300 } : phase,
    );
    const refused = await runLoad({ ...plan, phases }).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(LoadError);
    expect(String(refused)).toMatch(/tls_depth_zero_self_signed_cert/);
    expect(server.opened()).toBe(0);
    const { total } = await runLoad(
      ping({ ...basics, target: { ...basics.target, verifiesTls: false } }, { pingsPerSecond: 50 }),
    );
    expect([total.errors, total.times.ping?.count]).toEqual([{}, total.counts.pings]);
  } finally {
    server.stop();
  }
});

test("connections are dealt out to URLs, and come from each local address in turn", async () => {
  const servers = [echoServer(), echoServer()];
  const sources = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];
  const basics = smallBasics("ws", "", { ms: 200, workers: 3 });
  const target = {
    ...basics.target,
    urls: servers.map(({ port }) => `ws://127.0.0.1:${port}`),
    sources,
  };
  try {
    const { phases } = await runLoad(ping({ ...basics, target }, { pingsPerSecond: 50 }));
    expect(phases.at(-1)?.connected).toBe(30);
    for (const server of servers) {
      expect(server.opened()).toBe(15);
      expect([...server.addresses].sort()).toEqual(sources);
    }
  } finally {
    for (const server of servers) server.stop();
  }
});
