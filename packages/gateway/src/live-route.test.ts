import { expect, test } from "bun:test";
import type { GatewayEvents } from "./gateway-events.ts";
import { LiveRoute } from "./live-route.ts";
import { configOf } from "./testing/setting.ts";
import { readRouteTls } from "./tls/route-tls.ts";

const NO_EVENTS = new Proxy({} as GatewayEvents, { get: () => () => {} });

function optionsTo(...ports: readonly number[]) {
  const addresses = ports.map((port) => `"127.0.0.1:${port}"`).join();
  const [options] = configOf(
    `routes: [{name: app, profile: stateless, service: {static: [${addresses}]}}]`,
  ).routes;
  if (options === undefined) throw new TypeError("there is no route");
  return options;
}

test("whoever waits for an endpoint hears of each that comes, also of one that replaces another", () => {
  const came: (readonly string[])[] = [];
  const first = optionsTo(1);
  const tls = readRouteTls(first);
  const route = new LiveRoute(first, tls, {
    ...{ events: NO_EVENTS, kube: () => Promise.reject(new TypeError("nobody asks Kubernetes")) },
    ...{ zone: () => undefined, checked: () => {} },
    came: ({ endpoints }) => came.push(endpoints.taking()),
  });
  for (const options of [optionsTo(2), optionsTo(2, 3), optionsTo(3), optionsTo(4)])
    route.configure(options, tls);
  route.end();
  const [one, two, three, four] = [1, 2, 3, 4].map((port) => `127.0.0.1:${port}`);
  expect(came as unknown[]).toEqual([[one], [two], [two, three], [four]]);
});
