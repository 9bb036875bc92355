// Checks the real command: what it refuses, how a node starts and how it ends.
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.ts";
import { eventually, type RunningCommand, startCommand } from "./command.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "holdfast-cli-"));
const started: RunningCommand[] = [];
afterAll(async () => {
  for (const command of started) command.signal("SIGKILL");
  rmSync(FOLDER, { recursive: true, force: true });
});

const SECRET = "0123456789abcdef0123456789abcdef";
const LOOPBACK = ["--host", "127.0.0.1", "--internal-host", "127.0.0.1"];

function start(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): RunningCommand {
  const command = startCommand(args, { cwd: FOLDER, env });
  started.push(command);
  return command;
}

interface Served {
  readonly command: RunningCommand;
  readonly port: number;
  readonly internal: string;
}

/** A node that listens. */
async function serve(
  args: readonly string[],
  env: Readonly<Record<string, string>> = { HOLDFAST_AUTH_INSECURE: "true" },
): Promise<Served> {
  const [port, internalPort] = [await freePort(), await freePort()];
  const command = start(
    [
      "serve",
      ...LOOPBACK,
      "--port",
      String(port),
      "--internal-port",
      String(internalPort),
      ...args,
    ],
    env,
  );
  await command.until((output) => output.includes('"node_listening"'));
  return { command, port, internal: `http://127.0.0.1:${internalPort}` };
}

/** Connects with the protocol of the wire, as a client that cannot migrate. */
async function connect(
  port: number,
): Promise<{ readonly socket: WebSocket; readonly closed: Promise<CloseEvent> }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/connect`, "holdfast.v1");
  const closed = new Promise<CloseEvent>((resolve) =>
    socket.addEventListener("close", resolve, { once: true }),
  );
  await new Promise<void>((resolve, reject) => {
    socket.addEventListener("open", () => socket.send('{"t":"connect","id":1}'));
    socket.addEventListener("message", () => resolve(), { once: true });
    socket.addEventListener("close", ({ code, reason }) =>
      reject(new Error(`closed with ${code} ${reason}`)),
    );
  });
  return { socket, closed };
}

describe("a node that may not start", () => {
  const table: readonly (readonly [string, string, readonly string[]])[] = [
    ["an unknown key", "prot: 80", ["prot", "holdfast.yaml:1", "did you mean port?"]],
    ["a value out of range", "port: 99999", ["port", "99999", "0 to 65535"]],
    [
      "a relation that cannot hold",
      "flow:\n  lagBytes: 2MiB",
      ["flow.lagBytes", "holdfast.yaml:2", "less than flow.queueBytesMax"],
    ],
    [
      "a durable channel without a time",
      "channels: { a: { class: durable } }",
      ["channels.a.history.ttlMs", "because the channel is durable"],
    ],
    [
      "several things at once",
      "prot: 80\ntls: { certFile: a.pem }\nmetrics: maybe",
      ["prot", "tls.certFile", "metrics", "3 things"],
    ],
    ["broken YAML", "port: [", ["holdfast.yaml:1", "YAML 1.2 or JSON"]],
  ];
  for (const [name, text, expected] of table) {
    test(`because of ${name} says the row, what was found and what is allowed, and ends with 2`, async () => {
      writeFileSync(join(FOLDER, "holdfast.yaml"), text);
      const command = start(["serve", "--config", "holdfast.yaml", "--auth-insecure"]);
      expect(await command.ended()).toBe(2);
      for (const part of expected) expect(command.output()).toContain(part);
    });
  }

  test("without authentication ends with 2 and says what to do", async () => {
    const command = start(["serve"]);
    expect(await command.ended()).toBe(2);
    expect(command.output()).toContain("HOLDFAST_AUTH_JWT_HMAC_SECRET");
    expect(command.output()).toContain("--auth-insecure");
  });

  test("with a key that is none ends with 2 and names the option", async () => {
    writeFileSync(join(FOLDER, "key.pem"), "not a key");
    const command = start([
      "serve",
      "--auth-jwt-public-key-file",
      "key.pem",
      ...LOOPBACK,
      "--port",
      "0",
      "--internal-port",
      "0",
    ]);
    expect(await command.ended()).toBe(2);
    expect(command.output()).toContain("publicKey");
  });

  test("with a contract that cannot be compiled ends with 2 and names the channel", async () => {
    writeFileSync(join(FOLDER, "bad.ts"), 'export default { channels: { "chat:{room": {} } };');
    const command = start([
      "serve",
      "--auth-insecure",
      "--contract",
      "bad.ts",
      ...LOOPBACK,
      "--port",
      "0",
      "--internal-port",
      "0",
    ]);
    expect(await command.ended()).toBe(2);
    expect(command.output()).toContain("chat:{room");
  });

  for (const [which, variable] of [
    ["port", "HOLDFAST_PORT"],
    ["internalPort", "HOLDFAST_INTERNAL_PORT"],
  ] as const) {
    test(`because ${which} is in use ends with 3 and says how to choose another`, async () => {
      const taken = createServer();
      const port = await new Promise<number>((resolve) =>
        taken.listen({ host: "127.0.0.1", port: 0 }, () => {
          const address = taken.address();
          resolve(typeof address === "object" && address !== null ? address.port : 0);
        }),
      );
      const other = which === "port" ? "HOLDFAST_INTERNAL_PORT" : "HOLDFAST_PORT";
      const command = start(["serve", "--auth-insecure", ...LOOPBACK], {
        [variable]: String(port),
        [other]: String(await freePort()),
      });
      expect(await command.ended()).toBe(3);
      expect(command.output()).toContain(String(port));
      expect(command.output()).toContain(variable);
      taken.close();
    });
  }
});

describe("a node that runs", () => {
  test("writes nothing but JSON lines, and says that its sessions cannot be resumed elsewhere", async () => {
    const { command } = await serve([]);
    const lines = command.output().trimEnd().split("\n");
    for (const line of lines)
      expect(JSON.parse(line)).toMatchObject({
        event: expect.any(String),
        level: expect.any(String),
      });
    expect(command.events().map(({ event }) => event)).toEqual(
      expect.arrayContaining(["resume_secret_random", "auth_insecure"]),
    );
    command.signal("SIGKILL");
  });

  test("knows the channels of its YAML without any contract file", async () => {
    writeFileSync(
      join(FOLDER, "channels.yaml"),
      'channels:\n  "chat:{room}": { permissions: { publish: anyone, subscribe: anyone } }\n',
    );
    const { command, port } = await serve(["--config", "channels.yaml"]);
    const { socket } = await connect(port);
    const answer = (frame: string) =>
      new Promise<string>((resolve) => {
        socket.addEventListener("message", ({ data }) => resolve(String(data)), { once: true });
        socket.send(frame);
      });
    expect(await answer('{"t":"publish","id":2,"ch":"chat:lobby","d":"hi"}')).toContain(
      '"published"',
    );
    expect(await answer('{"t":"publish","id":3,"ch":"elsewhere","d":"hi"}')).toContain('"err"');
    command.signal("SIGKILL");
  });

  test("takes the token that `holdfast token` makes", async () => {
    const env = { HOLDFAST_AUTH_JWT_HMAC_SECRET: SECRET };
    const maker = start(["token", "--sub", "ada"], env);
    expect(await maker.ended()).toBe(0);
    const { command, port } = await serve([], env);
    const socket = new WebSocket(`ws://127.0.0.1:${port}/connect`, "holdfast.v1");
    const answer = new Promise<string>((resolve) =>
      socket.addEventListener("message", ({ data }) => resolve(String(data)), { once: true }),
    );
    socket.addEventListener("open", () =>
      socket.send(JSON.stringify({ t: "connect", id: 1, token: maker.output().trim() })),
    );
    expect(JSON.parse(await answer)).toMatchObject({ t: "connected", user: "ada" });
    command.signal("SIGKILL");
  });
});

describe("SIGHUP", () => {
  test("makes a node read its file again, take what it can while it runs, and tell what waits; a refused file changes nothing", async () => {
    const file = join(FOLDER, "live.yaml");
    const channels = 'channels: { "chat:{room}": { permissions: { subscribe: anyone } } }\n';
    writeFileSync(file, `${channels}limits: { subscriptionsMax: 1 }\n`);
    const { command, port } = await serve(["--config", "live.yaml"]);
    const { socket } = await connect(port);
    let id = 1;
    const subscribe = () =>
      new Promise<string>((resolve) => {
        socket.addEventListener("message", ({ data }) => resolve(JSON.parse(String(data)).t), {
          once: true,
        });
        socket.send(JSON.stringify({ t: "subscribe", id: ++id, ch: `chat:${id}` }));
      });
    expect([await subscribe(), await subscribe()]).toEqual(["subscribed", "err"]);
    writeFileSync(file, `${channels}limits: { subscriptionsMax: x }\n`);
    command.signal("SIGHUP");
    await command.until((output) => output.includes('"settings_refused"'));
    writeFileSync(file, `${channels}limits: { subscriptionsMax: 2 }\nrevision: r2\n`);
    command.signal("SIGHUP");
    await command.until((output) => output.includes('"settings_reloaded"'));
    expect(command.events().find(({ event }) => event === "settings_reloaded")).toMatchObject({
      taken: ["limits.subscriptionsMax"],
      waiting: ["revision"],
    });
    expect([await subscribe(), await subscribe()]).toEqual(["subscribed", "err"]);
    command.signal("SIGKILL");
  });
});

describe("a node that is told something while it starts", () => {
  const SLOW = `await new Promise((resolve) => setTimeout(resolve, 60_000));\nexport default { channels: {} };\n`;
  const starting = async (): Promise<RunningCommand> => {
    writeFileSync(join(FOLDER, "slow.config.ts"), SLOW);
    const command = start([
      "serve",
      ...LOOPBACK,
      "--contract",
      "slow.config.ts",
      "--auth-insecure",
    ]);
    await command.until((output) => output.includes('"auth_insecure"'));
    return command;
  };

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`ends with 0 by ${signal}, and says that it was not ready`, async () => {
      const command = await starting();
      command.signal(signal);
      expect(await command.ended()).toBe(0);
      expect(command.events().at(-1)).toMatchObject({ event: "start_given_up", signal });
    });
  }

  test("goes on starting after a SIGHUP", async () => {
    const command = await starting();
    command.signal("SIGHUP");
    command.signal("SIGTERM");
    expect(await command.ended()).toBe(0);
  });
});

describe("a node that is told to stop", () => {
  test("drains over the window that a reload gave it", async () => {
    const file = join(FOLDER, "window.yaml");
    writeFileSync(file, "drain: { preDelayMs: 0, windowMs: 20s }\n");
    const { command } = await serve(["--config", "window.yaml"]);
    writeFileSync(file, "drain: { preDelayMs: 0, windowMs: 7s }\n");
    command.signal("SIGHUP");
    await command.until((output) => output.includes('"settings_reloaded"'));
    command.signal("SIGTERM");
    expect(await command.ended()).toBe(0);
    expect(command.events().find(({ event }) => event === "stopping")).toMatchObject({
      preDelayMs: 0,
      windowMs: 7000,
    });
  });

  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    test(`by ${signal} says goodbye with 1012 to clients that cannot migrate, and ends with 0`, async () => {
      const { command, port } = await serve([
        "--drain-pre-delay-ms",
        "0",
        "--drain-window-ms",
        "2s",
      ]);
      const { closed } = await connect(port);
      command.signal(signal);
      expect((await closed).code).toBe(1012);
      expect(await command.ended()).toBe(0);
      const events = command.events();
      expect(events.find(({ event }) => event === "stopping")).toMatchObject({
        signal,
        connections: 1,
      });
      expect(events.find(({ event }) => event === "drain_started")).toMatchObject({
        connections: 1,
        deadlineInMs: 2000,
      });
      expect(events.find(({ event }) => event === "drain_finished")).toMatchObject({
        total: 1,
        remaining: 0,
        told: 1,
        cut: 0,
      });
      expect(events.slice(-2)).toMatchObject([
        { event: "node_stopped", cut: 0 },
        { event: "stopped", exitCode: 0 },
      ]);
    });
  }

  test("is not ready at once, and stays alive until the delay is over", async () => {
    const { command, internal } = await serve(["--drain-pre-delay-ms", "60s"]);
    expect((await fetch(`${internal}/readyz`)).status).toBe(200);
    command.signal("SIGTERM");
    await eventually(
      "the node is not ready",
      async () => (await fetch(`${internal}/readyz`)).status === 503,
    );
    expect((await fetch(`${internal}/livez`)).status).toBe(200);
    command.signal("SIGKILL");
  });

  test("a second time ends at once with 0 and the count of what was cut in the log", async () => {
    const { command, port } = await serve(["--drain-pre-delay-ms", "60s"]);
    const { closed } = await connect(port);
    command.signal("SIGTERM");
    await command.until((output) => output.includes('"stopping"'));
    // Signals that come within a moment are one press of a key.
    await Bun.sleep(400);
    command.signal("SIGTERM");
    expect(await command.ended()).toBe(0);
    await closed;
    expect(command.events().find(({ event }) => event === "stop_forced")).toMatchObject({
      by: "signal",
      cut: 1,
    });
  });

  test("twice within a moment, as Ctrl-C below npm does, is told once and drains in order", async () => {
    const { command, port } = await serve([
      "--drain-pre-delay-ms",
      "500ms",
      "--drain-window-ms",
      "1s",
    ]);
    const { closed } = await connect(port);
    command.signal("SIGINT");
    command.signal("SIGINT");
    expect((await closed).code).toBe(1012);
    expect(await command.ended()).toBe(0);
    expect(command.events().some(({ event }) => event === "stop_forced")).toBe(false);
  });
});
