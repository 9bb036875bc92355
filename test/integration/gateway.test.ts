// Checks the real command: what `holdfast gateway check` says, and a gateway's life as a process.
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import { ask, type PlainClient as Client, connectPlain as connect } from "../plain-client.ts";
import { eventually, type RunningCommand, startCommand } from "./command.ts";

setDefaultTimeout(patience(30_000));

const FOLDER = mkdtempSync(join(tmpdir(), "holdfast-gateway-"));
const started: RunningCommand[] = [];
const servers: { stop(closeAll: boolean): unknown }[] = [];
afterAll(() => {
  for (const command of started) command.signal("SIGKILL");
  for (const server of servers) void server.stop(true);
  rmSync(FOLDER, { recursive: true, force: true });
});

function start(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): RunningCommand {
  const command = startCommand(args, { cwd: FOLDER, env });
  started.push(command);
  return command;
}
const write = (name: string, text: string) => {
  writeFileSync(join(FOLDER, name), text);
  return name;
};

/** An application that knows nothing of Holdfast. */
function application(name: string): string {
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: (request, self) =>
      self.upgrade(request) ? undefined : new Response(`hello of ${name}`),
    websocket: { message: (socket, frame) => void socket.send(`${name}:${frame}`) },
  });
  servers.push(server);
  return `127.0.0.1:${server.port}`;
}

async function gateway(file: string, env: Readonly<Record<string, string>> = {}) {
  const [port, adminPort] = [await freePort(), await freePort()];
  const loopback = ["--host", "127.0.0.1", "--admin-host", "127.0.0.1"];
  const ports = ["--port", String(port), "--admin-port", String(adminPort)];
  const command = start(["gateway", "--config", file, ...loopback, ...ports], env);
  await command.until((output) => output.includes('"gateway_listening"'));
  const admin = `http://127.0.0.1:${adminPort}`;
  return { command, port, admin };
}
const routes = (address: string, profile = "stateless") =>
  `routes:\n  - name: app\n    profile: ${profile}\n    service: {static: ["${address}"]}\n`;

describe("holdfast gateway check", () => {
  test("says for each route what a deploy does to its clients, and ends with 0", async () => {
    const file = write(
      "good.yaml",
      `${routes("a:1")}  - {name: old, path: /old, service: {dns: {name: old.example.com, port: 1}}}\n`,
    );
    const command = start(["gateway", "check", file]);
    expect(await command.ended()).toBe(0);
    const output = command.output();
    expect(output).toContain("good.yaml can be used: 2 routes.");
    expect(output).toContain("app: any host/ to static, profile stateless");
    expect(output).toContain("clients stay connected; something may be missing");
    expect(output).toContain("old: any host/old to dns, profile none");
    expect(output).toContain("clients are closed with 1012");
  });

  test("says every problem with its line, what was found and what is allowed, and ends with 2", async () => {
    const file = write(
      "bad.yaml",
      "prot: 1\nroutes:\n  - name: app\n    profile: stateles\n    service:\n      static: [a]\n",
    );
    const command = start(["gateway", "check", file]);
    expect(await command.ended()).toBe(2);
    const output = command.output();
    for (const part of [
      ...["3 things", "prot (bad.yaml:1)", "did you mean port?"],
      ...["routes[0].profile (bad.yaml:4)", "did you mean stateless?"],
      ...["routes[0].service.static[0].address (bad.yaml:6)", "host:port"],
    ])
      expect(output).toContain(part);
  });

  test("says how TLS to the endpoints is done, and notes files that are wrong here", async () => {
    const tls = "    upstreamTls: {caFile: /nowhere/ca.pem, serverName: app.internal}\n";
    const command = start(["gateway", "check", write("ca.yaml", `${routes("a:1")}${tls}`)]);
    expect(await command.ended()).toBe(0);
    const note =
      "upstreamTls.caFile of route app: /nowhere/ca.pem cannot be used: there is no such file";
    expect(command.output()).toContain(
      "authorities of /nowhere/ca.pem, certificates for app.internal",
    );
    expect(command.output()).toContain(`note: as of here, ${note}`);
  });

  test("a file that is not there ends with 2", async () => {
    const command = start(["gateway", "check", "nowhere.yaml"]);
    expect(await command.ended()).toBe(2);
    expect(command.output()).toContain("nowhere.yaml");
  });
});

describe("a gateway that may not start", () => {
  test("because of its configuration ends with 2, also for an unknown variable", async () => {
    const command = start(["gateway"], { HOLDFAST_GATEWAY_PROT: "1" });
    expect(await command.ended()).toBe(2);
    expect(command.output()).toContain("did you mean HOLDFAST_GATEWAY_PORT?");
  });

  test("because of a file of TLS ends with 2, and names the file and why", async () => {
    const empty = write("empty.pem", "");
    const sides = [
      ["upstreamTls.caFile of route app", `${routes("a:1")}    upstreamTls: {caFile: ${empty}}\n`],
      ["tls.certFile", `tls: {certFile: ${empty}, keyFile: ${empty}}\n${routes("a:1")}`],
    ] as const;
    for (const [option, text] of sides) {
      const command = start(["gateway", "--config", write("side.yaml", text), "--port", "0"]);
      expect(await command.ended()).toBe(2);
      expect(command.output()).toContain(
        `cannot start: ${option}: ${empty} cannot be used: it holds no certificate in PEM`,
      );
    }
  });

  test("because a port is in use ends with 3 and names the option", async () => {
    const taken = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("") });
    servers.push(taken);
    for (const [flag, other, option] of [
      ["--port", "--admin-port", "(port)"],
      ["--admin-port", "--port", "(admin.port)"],
    ] as const) {
      const command = start([
        ...["gateway", "--host", "127.0.0.1", "--admin-host", "127.0.0.1"],
        ...[flag, String(taken.port), other, "0"],
      ]);
      expect(await command.ended()).toBe(3);
      expect(command.output()).toContain(option);
    }
  });

  test("because its certificate cannot be read ends with 2", async () => {
    const command = start([
      ...["gateway", "--port", "0", "--admin-port", "0"],
      ...["--tls-cert-file", "no.pem", "--tls-key-file", "no.key"],
    ]);
    expect(await command.ended()).toBe(2);
  });
});

describe("a gateway that runs", () => {
  test("SIGTERM: not ready at once, clients are closed with 1012 in pace, then it ends with 0", async () => {
    const file = write("term.yaml", routes(application("a")));
    const { command, port, admin } = await gateway(file, {
      HOLDFAST_GATEWAY_DRAIN_PRE_DELAY_MS: "500",
      HOLDFAST_GATEWAY_DRAIN_WINDOW_MS: "5s",
    });
    const clients = await Promise.all(Array.from({ length: 5 }, () => connect(port)));
    expect((await fetch(`${admin}/readyz`)).status).toBe(200);
    command.signal("SIGTERM");
    await eventually("it follows", async () => (await fetch(`${admin}/readyz`)).status === 503);
    expect(clients.every(({ closed }) => closed === undefined)).toBe(true);
    expect(await ask(clients[0] as Client, "x")).toBe("a:x");
    expect(await command.ended()).toBe(0);
    await eventually("they are closed", () => clients.every(({ closed }) => closed !== undefined));
    expect(new Set(clients.map(({ closed }) => closed?.code))).toEqual(new Set([1012]));
    const names = command.events().map(({ event }) => event);
    expect(names).toEqual(expect.arrayContaining(["stopping", "stopped"]));
    expect(names).not.toContain("stop_forced");
  });

  test("a second signal ends it at once, also with 0, and says how many were cut", async () => {
    const file = write("twice.yaml", routes(application("a")));
    const { command, port } = await gateway(file, {
      HOLDFAST_GATEWAY_DRAIN_PRE_DELAY_MS: "60s",
    });
    const client = await connect(port);
    command.signal("SIGTERM");
    await command.until((output) => output.includes('"stopping"'));
    // Two signals within a quarter of a second are one.
    await Bun.sleep(300);
    command.signal("SIGTERM");
    expect(await command.ended()).toBe(0);
    expect(command.events().find(({ event }) => event === "stop_forced")).toMatchObject({
      by: "signal",
      cut: 1,
    });
    await eventually("they are closed", () => client.closed !== undefined);
  });

  test("SIGHUP: clients follow their service; a bad file is refused with words, the old one stays", async () => {
    const [a, b] = [application("a"), application("b")];
    const file = write("hup.yaml", routes(a));
    const { command, port, admin } = await gateway(file, { HOLDFAST_GATEWAY_WATCH_FILE: "false" });
    const client = await connect(port);
    expect(await ask(client, "1")).toBe("a:1");
    write("hup.yaml", "routes: [{name: app, profile: nope}]");
    command.signal("SIGHUP");
    await command.until((output) => output.includes('"settings_refused"'));
    expect(command.output()).toContain("hup.yaml:1");
    expect(await ask(client, "2")).toBe("a:2");
    const metrics = async () => (await fetch(`${admin}/metrics`)).text();
    expect(await metrics()).toContain("holdfast_gateway_configuration_refused 1");
    write("hup.yaml", routes(b));
    command.signal("SIGHUP");
    await command.until((output) => output.includes('"settings_reloaded"'));
    await eventually("it follows", async () => (await ask(client, "3")) === "b:3");
    expect(client.closed).toBeUndefined();
    expect(await metrics()).toContain("holdfast_gateway_configuration_refused 0");
    command.signal("SIGKILL");
  });

  test("a file that is replaced by moving a link is noticed, as Kubernetes replaces it", async () => {
    const [a, b] = [application("a"), application("b")];
    write("v1.yaml", routes(a));
    write("v2.yaml", routes(b));
    symlinkSync("v1.yaml", join(FOLDER, "link.yaml"));
    const { command, port } = await gateway("link.yaml");
    const client = await connect(port);
    expect(await ask(client, "1")).toBe("a:1");
    symlinkSync("v2.yaml", join(FOLDER, "next.yaml"));
    renameSync(join(FOLDER, "next.yaml"), join(FOLDER, "link.yaml"));
    await command.until((output) => output.includes('"settings_reloaded"'));
    await eventually("it follows", async () => (await ask(client, "2")) === "b:2");
    expect(client.closed).toBeUndefined();
    command.signal("SIGKILL");
  });

  test("new routes beside an old limit that waits for a start are refused as a whole", async () => {
    const a = application("a");
    const file = write("limit.yaml", routes(a));
    const { command, port } = await gateway(file, { HOLDFAST_GATEWAY_WATCH_FILE: "false" });
    write("limit.yaml", `limits: {messageBytesMax: 4MiB}\n${routes(a)}    messageBytesMax: 2MiB\n`);
    command.signal("SIGHUP");
    await command.until((output) => output.includes('"settings_refused"'));
    expect(command.output()).toContain("routes[0].messageBytesMax");
    expect(await ask(await connect(port), "1")).toBe("a:1");
    command.signal("SIGKILL");
  });
});

describe("TLS", () => {
  test("at both sides: a certificate of its own, and endpoints whose certificate is known", async () => {
    const [key, cert] = [join(FOLDER, "key.pem"), join(FOLDER, "cert.pem")];
    const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ${key} -out ${cert} -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1,DNS:localhost`;
    expect(Bun.spawnSync(["openssl", ...args.split(" ")], { stderr: "ignore" }).exitCode).toBe(0);
    const seen: (string | null)[] = [];
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      tls: { cert: Bun.file(cert), key: Bun.file(key) },
      fetch: (request, self) => {
        seen.push(request.headers.get("x-forwarded-proto"));
        return self.upgrade(request) ? undefined : new Response("over TLS");
      },
      websocket: { message: (socket, frame) => void socket.send(`tls:${frame}`) },
    });
    servers.push(server);
    const address = `127.0.0.1:${server.port}`;
    const file = write(
      "tls.yaml",
      `tls: {certFile: ${cert}, keyFile: ${key}}\n${routes(address)}    upstreamTls: true\n    health: {check: {intervalMs: 100}}\n`,
    );
    const { port, admin, command } = await gateway(file, { NODE_EXTRA_CA_CERTS: cert });
    const tls = { ca: readFileSync(cert, "utf8") };
    const socket = new WebSocket(`wss://localhost:${port}/`, { tls } as never);
    const answer = new Promise((resolve) => {
      socket.onmessage = ({ data }) => resolve(data);
      socket.onclose = ({ code }) => resolve(code);
    });
    socket.onopen = () => socket.send("hi");
    expect(await answer).toBe("tls:hi");
    const page = await fetch(`https://localhost:${port}/`, { tls } as never);
    expect(await page.text()).toBe("over TLS");
    expect(seen).toContain("https");
    await eventually("checks succeed", async () =>
      (await (await fetch(`${admin}/metrics`)).text()).includes(
        'holdfast_gateway_checks_total{route="app",outcome="well"}',
      ),
    );
    command.signal("SIGKILL");
    // Without that certificate nobody speaks to the endpoint.
    const other = await gateway(file);
    const refused = await fetch(`https://localhost:${other.port}/`, { tls } as never);
    expect(refused.status).toBe(502);
    other.command.signal("SIGKILL");
  });
});
