// Owns: TLS of each sink and source that has a network, against real servers that want a
// certificate of the client: authorities, certificates and names, from files and variables.
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SinkContext } from "@holdfast/pipelines/sink";
import { SinkError } from "@holdfast/pipelines/sink";
import { SourceError, sinkAdapters, sourceAdapters } from "@holdfast/sinks/adapters";
import { sinkRecord } from "@holdfast/testkit/contract";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { freePort } from "../free-port.ts";
import { patience } from "../patience.ts";
import { makeCertificates, SERVER_NAME } from "./certificates.ts";
import { startPostgres } from "./postgres-server.ts";
import { neededVariable, type Program, program, takesConnections } from "./program.ts";

setDefaultTimeout(patience(60_000));

const folder = mkdtempSync(join(tmpdir(), "holdfast-sinks-tls-"));
const { file } = makeCertificates(join(folder, "certificates"));
const cleanups: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

async function started(one: Program): Promise<void> {
  await one.start();
  cleanups.push(() => one.kill());
}

interface Target {
  readonly kind: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly secrets?: Readonly<Record<string, string>>;
  /** How a source reads it. */
  readonly source?: Readonly<Record<string, unknown>>;
}

/** TLS from files; the key from a variable. */
const RIGHT = {
  caFile: file("ca.pem"),
  certFile: file("client.pem"),
  keyFrom: "CLIENT_KEY",
  serverName: SERVER_NAME,
};
const SECRETS = {
  CLIENT_KEY: readFileSync(file("client.key"), "utf8"),
  CA: readFileSync(file("ca.pem"), "utf8"),
};
const WRONG: readonly [string, object][] = [
  ["another authority", { ...RIGHT, caFile: file("other-ca.pem") }],
  ["the system's authorities", { ...RIGHT, caFile: undefined }],
  ["another name", { ...RIGHT, serverName: "somebody.test" }],
  ["no certificate", { caFile: RIGHT.caFile, serverName: SERVER_NAME }],
  [
    "a stranger's certificate",
    { ...RIGHT, certFile: file("stranger.pem"), keyFrom: undefined, keyFile: file("stranger.key") },
  ],
  ["a file that is not there", { ...RIGHT, certFile: join(folder, "nowhere.pem") }],
  ["a variable that is not there", { ...RIGHT, keyFrom: "NOWHERE" }],
];

const TARGETS: Readonly<Record<string, () => Promise<Target>>> = {
  async webhook() {
    const server = Bun.serve({
      ...{ port: 0, hostname: "127.0.0.1", fetch: () => new Response() },
      tls: {
        cert: Bun.file(file("server.pem")),
        key: Bun.file(file("server.key")),
        ca: Bun.file(file("ca.pem")),
        ...{ requestCert: true, rejectUnauthorized: true },
      },
    });
    cleanups.push(() => server.stop(true));
    return { kind: "webhook", options: { url: `https://127.0.0.1:${server.port}/in` } };
  },
  async PostgreSQL() {
    const server = await startPostgres({
      tls: { cert: file("server.pem"), key: file("server.key"), ca: file("ca.pem") },
      rules: [
        "hostssl all tls 127.0.0.1/32 scram-sha-256 clientcert=verify-ca",
        "host all tls 127.0.0.1/32 reject",
      ],
    });
    cleanups.push(() => server.remove());
    await server.sql.unsafe(`
      CREATE TABLE readings (n bigint PRIMARY KEY, text text, more jsonb);
      CREATE USER tls PASSWORD 'secret-of-tls';
      GRANT SELECT, INSERT, UPDATE ON readings TO tls`);
    return {
      ...{ kind: "postgres", options: { urlFrom: "URL", table: "readings", key: ["n"] } },
      secrets: { URL: server.url("tls", "secret-of-tls") },
    };
  },
  async Kafka() {
    const [port, readerPort] = [await freePort(), await freePort()];
    const data = mkdtempSync(join(folder, "kafka-"));
    const ports = [String(port), String(readerPort)];
    await started(
      program({
        command: [neededVariable("KAFKA_BROKER"), ...ports, data, join(folder, "certificates")],
        port,
        isReady: async () => (await takesConnections(port)) && (await takesConnections(readerPort)),
      }),
    );
    await fetch(`http://127.0.0.1:${readerPort}/make?topic=log`);
    const brokers = [`127.0.0.1:${port}`];
    const account = { usernameFrom: "U", passwordFrom: "P" };
    return {
      ...{ kind: "kafka", options: { brokers, topic: "log", ...account } },
      secrets: { U: "writer", P: "secret-of-kafka" },
      source: { brokers, topics: ["log"], ...account },
    };
  },
  async "NATS JetStream"() {
    const port = await freePort();
    const conf = join(folder, "nats.conf");
    await Bun.write(
      conf,
      `listen: "127.0.0.1:${port}"
jetstream { store_dir: "${join(folder, "nats")}" }
tls {
  cert_file: "${file("server.pem")}"
  key_file: "${file("server.key")}"
  ca_file: "${file("ca.pem")}"
  verify: true
}
`,
    );
    await started(program({ command: [neededVariable("NATS_SERVER"), "-c", conf], port }));
    const servers = [`127.0.0.1:${port}`];
    const tls = {
      ca: SECRETS.CA,
      cert: readFileSync(RIGHT.certFile, "utf8"),
      key: SECRETS.CLIENT_KEY,
    };
    const own = await connect({ servers, tls: { ...tls, servername: SERVER_NAME } as never });
    await (await jetstreamManager(own)).streams.add({ name: "log", subjects: ["log.>"] });
    await own.close();
    return {
      ...{ kind: "nats", options: { servers, subject: "log.{key}" } },
      source: { servers, stream: "log" },
    };
  },
  async "Redis Streams"() {
    const port = await freePort();
    await started(
      program({
        command: [
          ...[neededVariable("VALKEY_SERVER"), "--port", "0", "--bind", "127.0.0.1", "--save", ""],
          ...["--tls-port", String(port), "--tls-auth-clients", "yes"],
          ...["--tls-cert-file", file("server.pem"), "--tls-key-file", file("server.key")],
          ...["--tls-ca-cert-file", file("ca.pem")],
        ],
        port,
      }),
    );
    return {
      ...{ kind: "redisStream", options: { urlFrom: "URL", stream: "log" } },
      secrets: { URL: `rediss://127.0.0.1:${port}` },
    };
  },
  async MQTT() {
    const port = await freePort();
    const conf = join(folder, "mosquitto.conf");
    await Bun.write(
      conf,
      [
        ...["user root", `listener ${port} 127.0.0.1`, "allow_anonymous true", "log_dest none"],
        ...[`cafile ${file("ca.pem")}`, `certfile ${file("server.pem")}`],
        ...[`keyfile ${file("server.key")}`, "require_certificate true"],
      ].join("\n"),
    );
    await started(
      program({
        command: [neededVariable("MOSQUITTO"), "-c", conf],
        port,
        env: { LD_LIBRARY_PATH: process.env.MOSQUITTO_LIBRARIES ?? "" },
      }),
    );
    return { kind: "mqtt", options: { url: `mqtts://127.0.0.1:${port}`, topic: "log" } };
  },
};

const adapters = sinkAdapters({ print: async () => {} });

const contextOf = (target: Target): SinkContext => ({
  ...{ pipeline: "p", partition: 0, output: 0, timeoutMs: patience(4_000) },
  secret: (name) => ({ ...SECRETS, ...target.secrets })[name],
});

/** What one write gives: undefined, or the error. */
async function write(target: Target, tls: object | undefined): Promise<unknown> {
  const adapter = adapters.find(({ kind }) => kind === target.kind);
  const options = { ...target.options, ...(tls === undefined ? {} : { tls }) };
  expect(adapter?.problems(options)).toEqual([]);
  const sink = adapter?.open({ sink: target.kind, options }, contextOf(target));
  const batch = { pipeline: "p", partition: 0, output: 0, attempt: 1, records: [sinkRecord(1)] };
  const found = await sink?.write(batch).then(
    (refusals) => (refusals === undefined ? undefined : new Error(JSON.stringify(refusals))),
    (error: unknown) => error,
  );
  await sink?.close();
  return found;
}

/** How many records a source gives within its first fetch, or the error. */
async function read(target: Target, tls: object): Promise<unknown> {
  const adapter = sourceAdapters.find(({ kind }) => kind === target.kind);
  const options = { ...target.source, tls };
  expect(adapter?.problems(options)).toEqual([]);
  const source = adapter?.open(
    { source: target.kind, options, channel: "in" },
    { timeoutMs: patience(4_000), secret: contextOf(target).secret },
  );
  const stop = new AbortController();
  let found = 0;
  const take = async (records: readonly unknown[]): Promise<void> => {
    found += records.length;
    stop.abort();
  };
  return source?.read({ positions: {}, signal: stop.signal, take }).then(
    () => found,
    (error: unknown) => error,
  );
}

/** Nothing of a key, a password or a path is in it. */
function expectPlain(error: unknown): void {
  const text = Bun.inspect(error);
  for (const secret of ["secret-of", "PRIVATE KEY", folder, SECRETS.CLIENT_KEY.slice(40, 80)])
    expect(text).not.toContain(secret);
}

describe.each(Object.entries(TARGETS))("%s over TLS", (_name, make) => {
  let target: Target;
  const ready = make().then((made) => {
    target = made;
  });

  test("takes records of a client that has the right certificate, authority and name", async () => {
    await ready;
    expect(await write(target, RIGHT)).toBeUndefined();
    expect(await write(target, { ...RIGHT, caFile: undefined, caFrom: "CA" })).toBeUndefined();
    if (target.source !== undefined) expect(await read(target, RIGHT)).toBeGreaterThan(0);
  });

  test.each(WRONG)("is not reached with %s, and no error has a secret", async (_what, tls) => {
    await ready;
    const error = await write(target, tls);
    expect(error).toBeInstanceOf(SinkError);
    expectPlain(error);
    if (target.source === undefined) return;
    const ofSource = await read(target, tls);
    expect(ofSource).toBeInstanceOf(SourceError);
    expectPlain(ofSource);
  });
});
