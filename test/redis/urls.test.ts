import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { patience } from "../patience.ts";
import { openBroker, QUICK } from "./harness.ts";
import { startServer, stopServers } from "./servers.ts";

setDefaultTimeout(patience(30_000));

const STREAM = { cls: "ordered", sizeMax: 10, ttlMs: 60_000 } as const;
const cleanups: (() => Promise<unknown>)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

async function publishOver(url: string): Promise<number> {
  const broker = await openBroker(url, QUICK);
  cleanups.push(() => broker.close());
  return (await broker.publish("c", STREAM, { payload: { kind: "json", text: "1" } })).position
    .offset;
}

test("an account, a database and a prefix are used as the URL says", async () => {
  const redis = await startServer();
  cleanups.push(() => stopServers([redis]));
  await redis.ask("ACL", "SETUSER", "ada", "on", ">s%cret/", "~app:*", "&app:*", "+@all");
  const url = redis.url.replace("redis://", `redis://ada:${encodeURIComponent("s%cret/")}@`);
  expect(await publishOver(`${url}/3?prefix=app:`)).toBe(1);
  expect(await redis.ask("DBSIZE")).toBe(0);
  await expect(openBroker(`${url}/3?prefix=other:`)).rejects.toMatchObject({
    code: expect.any(String),
  });
});

test("TLS: the certificate is checked against the authority in the URL", async () => {
  const redis = await startServer();
  cleanups.push(() => stopServers([redis]));
  const [key, cert] = ["key.pem", "cert.pem"].map((name) => join(redis.directory, name));
  const made = Bun.spawnSync(
    `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ${key} -out ${cert} -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1`.split(
      " ",
    ),
  );
  expect(made.exitCode).toBe(0);
  const secure = await startServer({ config: [] });
  cleanups.push(() => stopServers([secure]));
  const tlsPort = secure.port + 10_000;
  for (const [name, value] of [
    ["tls-cert-file", cert],
    ["tls-key-file", key],
    ["tls-auth-clients", "no"],
    ["tls-port", String(tlsPort)],
  ] as const) {
    await secure.ask("CONFIG", "SET", name, value ?? "");
  }
  const url = `rediss://localhost:${tlsPort}`;
  expect(await publishOver(`${url}?tlsCa=${encodeURIComponent(cert ?? "")}`)).toBe(1);
  await expect(
    openBroker(url.replace("localhost", "127.0.0.1"), { ...QUICK, connectMs: 500 }),
  ).rejects.toMatchObject({
    code: "unavailable",
  });
});
