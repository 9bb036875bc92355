import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { createPki, type Pki } from "../../../../test/doctor/api-server.ts";
import { patience } from "../../../../test/patience.ts";
import type { ClusterAccess } from "../cluster/kubeconfig.ts";
import { KubeApiError } from "./kube-api-error.ts";
import { Reflector } from "./reflector.ts";
import { COLLECTION, HostileServer } from "./testing/hostile-server.ts";
import { accessTo, clientOf, until } from "./testing/setting.ts";

setDefaultTimeout(patience(60_000));

const RECONNECTS = 1000;
let pki: Pki;
let server: HostileServer;

beforeAll(async () => {
  pki = await createPki();
  const read = (name: string) => readFileSync(pki.path(name), "utf8");
  server = new HostileServer({ cert: read("server.pem"), key: read("server.key"), ca: pki.ca });
  server.set("a", "1");
});
afterAll(() => {
  server?.stop();
  pki?.remove();
});

const access = (more: Partial<ClusterAccess> = {}) =>
  accessTo(`https://127.0.0.1:${server.port}`, {
    ca: { data: pki.ca },
    cert: { file: pki.path("client.pem") },
    key: { file: pki.path("client.key") },
    ...more,
  });

test("a watch runs over TLS with a CA and a certificate of our own", async () => {
  const reflector = new Reflector(clientOf(access()), { path: COLLECTION, onChange: () => {} });
  reflector.start();
  await until(() => server.watches.length > 0);
  server.set("b", "1");
  await until(() => reflector.size === 2);
  reflector.stop();
  await until(() => server.watches.every(({ isOpen }) => !isOpen));
  server.watches.length = 0;
});

test.each<[string, () => Partial<ClusterAccess>, string]>([
  ["another CA", () => ({ ca: { data: pki.otherCa } }), "SIGNATURE|SELF_SIGNED|VERIFY"],
  ["no CA", () => ({ ca: undefined }), "SIGNATURE|SELF_SIGNED|VERIFY"],
  ["another name", () => ({ serverName: "other.test" }), "ALTNAME"],
  ["no certificate", () => ({ cert: undefined, key: undefined }), "."],
])("%s is refused", async (_what, more, code) => {
  const asked = server.asked.length;
  const error = await clientOf(access(more()))
    .get(COLLECTION)
    .catch((thrown) => thrown);
  expect(error).toBeInstanceOf(KubeApiError);
  expect(error.reason).toBe("Unreachable");
  expect(error.message).toMatch(new RegExp(code));
  expect(server.asked.length).toBe(asked);
});

test("the name of a kubeconfig's tls-server-name is what counts", async () => {
  await clientOf(access({ serverName: "kubernetes.test" })).get(COLLECTION);
});

test("a watch that is aborted frees its connection: a thousand leave none", async () => {
  const client = clientOf(access());
  const files = () => readdirSync("/proc/self/fd").length;
  const watchOnce = async (): Promise<void> => {
    const ending = new AbortController();
    const watched = client.watch(COLLECTION, {
      ...{ resourceVersion: "0", timeoutSeconds: 300, signal: ending.signal },
      onOpen: () => {},
      // In the middle of the stream.
      onEvent: () => ending.abort(),
    });
    expect(await watched.catch((error) => error.reason)).toBe("Stopped");
    server.watches.length = 0;
  };
  for (let round = 0; round < 50; round += 1) await watchOnce();
  await until(() => server.connections <= 1);
  Bun.gc(true);
  const [before, memory] = [files(), process.memoryUsage.rss()];
  for (let round = 0; round < RECONNECTS; round += 1) await watchOnce();
  await until(() => server.connections <= 1);
  Bun.gc(true);
  expect(files()).toBeLessThanOrEqual(before + 5);
  expect(process.memoryUsage.rss() - memory).toBeLessThan(48 * 1024 * 1024);
});
