// Checks TLS to endpoints over real sockets: who is believed, who the gateway is, and files that
// change.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync } from "node:fs";
import { patience } from "../../../../test/patience.ts";
import { Pki } from "../testing/pki.ts";
import { ask, configOf, connect, opened, startGateway, until } from "../testing/setting.ts";

setDefaultTimeout(patience(20_000));

let pki: Pki;
beforeAll(() => {
  pki = new Pki("ca", "other");
  pki.certify("app", "ca", "DNS:app.internal");
  pki.certify("default", "ca", "DNS:default.internal");
  pki.certify("address", "ca", "IP:127.0.0.1");
  pki.certify("gateway", "ca", "DNS:gateway.internal");
  pki.certify("stranger", "other", "DNS:gateway.internal");
});
afterAll(() => pki.stop());

const pem = (name: string) => ({
  cert: Bun.file(pki.path(`${name}.pem`)),
  key: Bun.file(pki.path(`${name}.key`)),
});

/** An endpoint over TLS. `wants`: a client must have a certificate of this authority. */
function endpoint(certificate: string, wants?: string) {
  const own =
    wants === undefined
      ? pem(certificate)
      : {
          ...pem(certificate),
          ...{
            ca: Bun.file(pki.path(`${wants}.pem`)),
            requestCert: true,
            rejectUnauthorized: true,
          },
        };
  const server = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1", tls: own },
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("over TLS")),
    websocket: { message: (socket, frame) => void socket.send(`tls:${frame}`) },
  });
  opened.push({ stop: () => void server.stop(true) });
  return `127.0.0.1:${server.port}`;
}

const route = (address: string, tls: string, more = ""): string =>
  `routes: [{name: app, profile: stateless, slowStartMs: 0, upstreamTls: ${tls}, service: {static: ["${address}"]}${more}}]`;
const named = (fields: Readonly<Record<string, string>>): string =>
  JSON.stringify(
    Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [
        name,
        name.endsWith("File") ? pki.path(value) : value,
      ]),
    ),
  );
const page = async (port: number) => (await fetch(`http://127.0.0.1:${port}/`)).status;
const socket = (port: number): Promise<string> =>
  connect(port).then(
    (client) => ask(client, "hi"),
    () => "none",
  );

const CA = { caFile: "ca.pem", serverName: "app.internal" };
const CLIENT = { certFile: "gateway.pem", keyFile: "gateway.key" };

test("an endpoint is believed by its authority and its name, whatever its address", async () => {
  const checks = ", health: {check: {kind: websocket, intervalMs: 100}}";
  const { program, metric } = startGateway(route(endpoint("app"), named(CA), checks));
  expect([await socket(program.port), await page(program.port)]).toEqual(["tls:hi", 200]);
  const well = 'holdfast_gateway_checks_total{route="app",outcome="well"}';
  await until("checks succeed", async () => ((await metric(well)) ?? 0) > 0);
  const byAddress = startGateway(route(endpoint("address"), named({ caFile: "ca.pem" })));
  expect([await socket(byAddress.program.port), await page(byAddress.program.port)]).toEqual([
    "tls:hi",
    200,
  ]);
});

test("the name is asked for, so that a server of many names answers with the right one", async () => {
  const server = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1" },
    tls: [
      { ...pem("default"), serverName: "default.internal" },
      { ...pem("app"), serverName: "app.internal" },
    ],
    fetch: (request, self) => (self.upgrade(request) ? undefined : new Response("over TLS")),
    websocket: { message: (one, frame) => void one.send(`tls:${frame}`) },
  });
  opened.push({ stop: () => void server.stop(true) });
  const { program } = startGateway(route(`127.0.0.1:${server.port}`, named(CA)));
  expect([await socket(program.port), await page(program.port)]).toEqual(["tls:hi", 200]);
});

const strangers: readonly (readonly [string, string, Readonly<Record<string, string>> | "true"])[] =
  [
    ["by another authority", "app", { ...CA, caFile: "other.pem" }],
    ["for another name", "app", { ...CA, serverName: "evil.internal" }],
    ["for a name, if nobody says that name", "app", { caFile: "ca.pem" }],
    ["by an authority that the system does not know", "app", "true"],
  ];
test.each(strangers)("an endpoint with a certificate %s gets nobody", async (_, own, tls) => {
  const { program, told, metric } = startGateway(
    route(endpoint(own), tls === "true" ? tls : named(tls)),
  );
  // The name of the client's Host must not count: it would choose who is believed.
  const answer = await fetch(`http://127.0.0.1:${program.port}/`, {
    headers: { host: "app.internal" },
  });
  expect([answer.status, await socket(program.port)]).toEqual([502, "none"]);
  const failed = 'holdfast_gateway_upstreams_failed_total{route="app",why="tls"}';
  expect(await metric(failed)).toBeGreaterThan(0);
  expect(told.some(({ event }) => event === "upstreamFailed")).toBe(true);
});

test("an endpoint that wants a certificate gets the gateway's, and of that route alone", async () => {
  const address = endpoint("app", "ca");
  const routes = [
    { name: "known", path: "/known", tls: { ...CA, ...CLIENT } },
    { name: "unknown", path: "/unknown", tls: CA },
    {
      name: "strange",
      path: "/strange",
      tls: { ...CA, certFile: "stranger.pem", keyFile: "stranger.key" },
    },
  ].map(
    ({ name, path, tls }) =>
      `  - {name: ${name}, path: ${path}, profile: stateless, upstreamTls: ${named(tls)}, service: {static: ["${address}"]}}`,
  );
  const { program, metric } = startGateway(`routes:\n${routes.join("\n")}`);
  const get = async (path: string) =>
    (await fetch(`http://127.0.0.1:${program.port}${path}`)).status;
  // Each twice: a connection of one route that is kept must not serve another.
  for (let i = 0; i < 2; i++) {
    expect(await get("/known")).toBe(200);
    expect(await ask(await connect(program.port, "/known"), "hi")).toBe("tls:hi");
    for (const path of ["/unknown", "/strange"]) {
      expect(await get(path)).toBe(502);
      await expect(connect(program.port, path)).rejects.toThrow();
    }
  }
  const ends = 'holdfast_gateway_upstream_certificate_expiry_timestamp_seconds{route="known"}';
  expect(await metric(ends)).toBeGreaterThan(Date.now() / 1000);
  expect(await metric(ends.replace("known", "unknown"))).toBe(0);
});

test("files that are replaced count without a change of the configuration; bad ones do not", async () => {
  const address = endpoint("app", "ca");
  const files = { caFile: "live-ca.pem", certFile: "live.pem", keyFile: "live.key" };
  const put = (from: string) => {
    copyFileSync(pki.path(`${from}.pem`), pki.path("live.pem"));
    copyFileSync(pki.path(`${from}.key`), pki.path("live.key"));
  };
  put("stranger");
  copyFileSync(pki.path("ca.pem"), pki.path("live-ca.pem"));
  const text = route(address, named({ ...files, serverName: "app.internal" }));
  const { program, told, metric } = startGateway(text);
  expect(await socket(program.port)).toBe("none");
  put("gateway");
  program.rereadFiles();
  const client = await connect(program.port);
  expect(await ask(client, "1")).toBe("tls:1");
  expect(told.at(-1)).toMatchObject({ event: "tlsFilesChanged", fields: { route: "app" } });
  // A key of another certificate: what was read before stays, and is told once.
  copyFileSync(pki.path("stranger.key"), pki.path("live.key"));
  program.rereadFiles();
  program.rereadFiles();
  expect(await socket(program.port)).toBe("tls:hi");
  const refused = told.filter(({ event }) => event === "tlsFilesRefused");
  expect(refused).toHaveLength(1);
  expect(JSON.stringify(refused)).toContain(pki.path("live.key"));
  expect(await metric('holdfast_gateway_tls_files_refused{route="app"}')).toBe(1);
  // A reload is refused as a whole.
  const why = program.configure(configOf(`${text}\nzone: x`));
  expect(why).toContain(`upstreamTls.keyFile of route app: ${pki.path("live.key")} cannot be used`);
  expect(await metric("holdfast_gateway_configuration_refused")).toBe(1);
  expect(await ask(client, "2")).toBe("tls:2");
  put("gateway");
  expect(program.configure(configOf(text))).toBeUndefined();
  expect(await metric('holdfast_gateway_tls_files_refused{route="app"}')).toBe(0);
});
