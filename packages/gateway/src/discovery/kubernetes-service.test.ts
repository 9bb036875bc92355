import { expect, setDefaultTimeout, test } from "bun:test";
import { accessTo, clientOf, HostileServer } from "@holdfast/kube/testing";
import type { Endpoint } from "@holdfast/rehoming";
import { patience } from "../../../../test/patience.ts";
import { readService } from "./service-kinds.ts";

setDefaultTimeout(patience(10_000));

const read = (fields: unknown) => readService({ kubernetes: fields });

test.each<[object, object]>([
  [
    { namespace: "shop", name: "game" },
    { namespace: "shop", name: "game", port: undefined },
  ],
  [{ namespace: "shop", name: "game", port: "ws" }, { port: "ws" }],
  [{ namespace: "shop", name: "game", port: 8080 }, { port: 8080 }],
  [{ namespace: "shop", name: "game", port: "8080" }, { port: 8080 }],
  [{ namespace: "shop", name: "game", receiving: "game-new" }, { receiving: "game-new" }],
])("%j is read", (fields, options) => {
  expect(read(fields)).toMatchObject({ ok: true, value: { kind: "kubernetes", options } });
});

test.each<[unknown, string]>([
  [{ name: "game" }, ".kubernetes.namespace"],
  [{ namespace: "shop" }, ".kubernetes.name"],
  [{ namespace: "Shop", name: "game" }, ".kubernetes.namespace"],
  [{ namespace: "shop", name: "a/../b" }, ".kubernetes.name"],
  [{ namespace: "shop", name: "game", port: 0 }, ".kubernetes.port"],
  [{ namespace: "shop", name: "game", port: 65_536 }, ".kubernetes.port"],
  [{ namespace: "shop", name: "game", port: "WS" }, ".kubernetes.port"],
  [{ namespace: "shop", name: "game", receiving: "a,b" }, ".kubernetes.receiving"],
  [{ namespace: "shop", name: "game", ports: 1 }, ".kubernetes.ports"],
  ["game", ".kubernetes"],
])("%j is refused", (fields, at) => {
  const reading = read(fields);
  expect(reading.ok ? [] : reading.refused.map((one) => one.at)).toContain(at);
});

test("opens a watch by the API that it is given", async () => {
  const server = new HostileServer();
  server.put("s1", {
    metadata: { labels: { "kubernetes.io/service-name": "game" } },
    ...{ addressType: "IPv4", ports: [{ name: "", port: 7000 }] },
    endpoints: [{ addresses: ["10.0.0.1"], conditions: { ready: true } }],
  });
  const reading = read({ namespace: "shop", name: "game" });
  if (!reading.ok) throw new TypeError("refused");
  const api = clientOf(accessTo(`http://127.0.0.1:${server.port}`));
  const discovery = reading.value.open({ kube: async () => api });
  const found = await new Promise<readonly Endpoint[]>((told) => discovery.start(told));
  expect(found).toEqual([{ address: "10.0.0.1:7000", takes: true }]);
  discovery.stop();
  server.stop();
});

test("outside of a cluster that is trouble of the route", async () => {
  const reading = read({ namespace: "shop", name: "game" });
  if (!reading.ok) throw new TypeError("refused");
  const discovery = reading.value.open({ kube: () => Promise.reject(new Error("no cluster")) });
  discovery.start(() => {});
  while (discovery.trouble?.endsWith("no cluster") !== true) await Bun.sleep(1);
  discovery.stop();
});
