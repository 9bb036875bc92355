// Owns: MQTT over TLS: certificates of clients that stand for a token, and those that do not.
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patience } from "../patience.ts";
import { connectMqtt } from "./mqtt-client.ts";
import { startNode } from "./start-node.ts";

setDefaultTimeout(patience(30_000));

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** An authority, and certificates that it signed; `stranger` is signed by another one. */
function certificates() {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-mqtt-tls-"));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const openssl = (...args: readonly string[]): void => {
    const { exitCode, stderr } = Bun.spawnSync(["openssl", ...args], { cwd: folder });
    if (exitCode !== 0) throw new Error(stderr.toString());
  };
  const authority = (name: string): void =>
    openssl(
      ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-keyout", `${name}.key`, "-out", `${name}.pem`, "-days", "2", "-subj", `/CN=${name}`],
    );
  const signed = (name: string, by: string, alternative: string): void => {
    openssl(
      ...["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"],
      ...["-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`],
    );
    writeFileSync(join(folder, "ext"), `subjectAltName=${alternative}\n`);
    openssl(
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", `${by}.pem`, "-CAkey", `${by}.key`],
      ...["-CAcreateserial", "-days", "2", "-extfile", "ext", "-out", `${name}.pem`],
    );
  };
  authority("ca");
  authority("other-ca");
  signed("localhost", "ca", "DNS:localhost");
  signed("device-7", "ca", "URI:urn:device:7");
  signed("stranger", "other-ca", "DNS:device-7");
  const file = (name: string): string => join(folder, name);
  const pair = (name: string) => ({
    cert: readFileSync(file(`${name}.pem`)),
    key: readFileSync(file(`${name}.key`)),
  });
  return { file, pair, ca: readFileSync(file("ca.pem")) };
}

async function start(clientCertificates: string, user = "cn") {
  const { file, pair, ca } = certificates();
  const rules = { publish: "authenticated", subscribe: "authenticated" } as const;
  const node = await startNode({
    contract: { channels: { "{rest*}": { permissions: rules } } },
    env: {
      HOLDFAST_MQTT_TRANSPORTS: "tls",
      HOLDFAST_MQTT_TLS_PORT: "0",
      HOLDFAST_MQTT_TLS_CERT_FILE: file("localhost.pem"),
      HOLDFAST_MQTT_TLS_KEY_FILE: file("localhost.key"),
      HOLDFAST_MQTT_TLS_CLIENT_CA_FILE: file("ca.pem"),
      HOLDFAST_MQTT_TLS_CLIENT_CERTIFICATES: clientCertificates,
      HOLDFAST_MQTT_TLS_USER: user,
      HOLDFAST_AUTH_ANONYMOUS: "false",
    },
  });
  cleanups.push(() => node.node.stop());
  const connect = async (name?: string) => {
    const url = `mqtts://localhost:${node.node.mqttTlsPort}`;
    const client = await connectMqtt(url, { ca, ...(name === undefined ? {} : pair(name)) });
    cleanups.push(() => void client.client.end(true));
    return client;
  };
  return { node, connect };
}

test("a certificate of the authority is a user, by the rule of the options", async () => {
  for (const [rule, user] of [
    ["cn", "device-7"],
    ["uri", "urn:device:7"],
  ] as const) {
    const { node, connect } = await start("required", rule);
    const device = await connect("device-7");
    await device.client.subscribeAsync("a", { qos: 1 });
    await device.client.publishAsync("a", "1", { qos: 1 });
    await device.until(1);
    expect(node.node.control.sessions({ limit: 9 }).map((session) => session.user)).toEqual([user]);
    expect(node.bugs).toEqual([]);
  }
});

test("who has no certificate, or one of another authority, is not connected", async () => {
  const { node, connect } = await start("required");
  for (const name of [undefined, "stranger"]) await expect(connect(name)).rejects.toThrow();
  expect(node.node.info().connections).toBe(0);
});

test("if certificates are optional, a client without one needs a token", async () => {
  const { connect } = await start("optional");
  await expect(connect()).rejects.toMatchObject({ code: 0x86 });
  await expect(connect("stranger")).rejects.toMatchObject({ code: 0x86 });
  expect((await connect("device-7")).client.connected).toBe(true);
});
