import { expect, test } from "bun:test";
import type { Json } from "@holdfast/kube";
import { readSlices } from "./endpoint-slices.ts";

const PORTS: readonly Json[] = [{ name: "ws", port: 8080, protocol: "TCP" }];
let version = 0;

interface Pod {
  readonly ready?: boolean | undefined;
  readonly serving?: boolean | undefined;
  readonly terminating?: boolean | undefined;
  readonly zone?: string;
}

/** A slice of pods by address, with a higher version than the one before. */
function slice(pods: Readonly<Record<string, Pod>>, more: Json = {}): Json {
  version += 1;
  return {
    metadata: { name: `s${version}`, resourceVersion: String(version) },
    addressType: "IPv4",
    ports: PORTS,
    endpoints: Object.entries(pods).map(([address, { zone, ...conditions }]) => ({
      addresses: [address],
      conditions,
      ...(zone === undefined ? {} : { zone }),
    })),
    ...more,
  };
}

const READY: Pod = { ready: true, serving: true, terminating: false };
const UNREADY: Pod = { ready: false, serving: false, terminating: false };
const LEAVING: Pod = { ready: false, serving: true, terminating: true };
const GOING: Pod = { ready: false, serving: false, terminating: true };
const read = (slices: readonly Json[], port: string | number | undefined = "ws") =>
  readSlices(slices, { port, endpointsMax: 100 });

test.each<[string, Pod, object]>([
  ["ready", READY, { takes: true }],
  ["without conditions, which means ready", {}, { takes: true }],
  ["not ready", UNREADY, { takes: false }],
  ["terminating, though it still serves", LEAVING, { takes: false, leaves: true }],
  ["terminating, and does not serve", GOING, { takes: false, leaves: true }],
  [
    "terminating and published as ready (publishNotReadyAddresses)",
    { ready: true, serving: true, terminating: true },
    { takes: false, leaves: true },
  ],
])("a pod that is %s", (_what, pod, expected) => {
  const { endpoints, trouble } = read([slice({ "10.0.0.1": pod, "10.0.0.2": READY })]);
  expect(endpoints[0]).toEqual({ address: "10.0.0.1:8080", ...expected } as never);
  expect(trouble).toBeUndefined();
});

test("pods that terminate and serve are used while nobody else is there", () => {
  const alone = read([slice({ "10.0.0.1": LEAVING, "10.0.0.2": GOING, "10.0.0.3": UNREADY })]);
  expect(alone.endpoints).toEqual([
    { address: "10.0.0.1:8080", takes: true },
    { address: "10.0.0.2:8080", takes: false, leaves: true },
    { address: "10.0.0.3:8080", takes: false },
  ]);
  expect([...alone.ending]).toEqual(["10.0.0.1:8080", "10.0.0.2:8080"]);
});

test.each<[string, Pod, boolean]>([
  ["serves as it was ready", { ready: true, terminating: true }, true],
  ["serves, since nothing else is known", { terminating: true }, true],
  ["does not serve, as it is not ready", { ready: false, terminating: true }, false],
  ["is published as ready", { ready: true, serving: true, terminating: true }, true],
])("alone, a pod that terminates takes clients while it serves: %s", (_what, pod, takes) => {
  expect(read([slice({ "10.0.0.1": pod })]).endpoints).toEqual([
    { address: "10.0.0.1:8080", takes, ...(takes ? {} : { leaves: true }) },
  ]);
});

test("who takes new clients must be ready in both Services", () => {
  const main = slice({ "10.0.0.1": READY, "10.0.0.2": READY, "10.0.0.3": READY });
  const receiving = [slice({ "10.0.0.1": READY, "10.0.0.2": UNREADY }, { ports: [] })];
  const { endpoints } = readSlices([main], { port: "ws", endpointsMax: 10, receiving });
  expect(endpoints.map(({ takes }) => takes)).toEqual([true, false, false]);
});

test("all slices together are the Service; the zone is that of the endpoint", () => {
  const slices = [
    slice({ "10.0.0.2": { ...READY, zone: "b" } }),
    slice({ "10.0.0.1": { ...READY, zone: "a" } }),
    slice({}),
  ];
  expect(read(slices).endpoints).toEqual([
    { address: "10.0.0.1:8080", takes: true, zone: "a" },
    { address: "10.0.0.2:8080", takes: true, zone: "b" },
  ]);
});

test("an address in two slices counts as the newer one says", () => {
  const [old, young] = [slice({ "10.0.0.1": UNREADY }), slice({ "10.0.0.1": READY })];
  for (const slices of [
    [old, young],
    [young, old],
  ])
    expect(read(slices).endpoints).toEqual([{ address: "10.0.0.1:8080", takes: true }]);
  const metadata = { resourceVersion: "opaque" };
  const equals = [
    slice({ "10.0.0.1": READY }, { metadata }),
    slice({ "10.0.0.1": GOING }, { metadata }),
  ];
  for (const slices of [equals, equals.toReversed()])
    expect(read(slices).endpoints[0]).toMatchObject({ takes: false, leaves: true });
});

test.each<[string, string | number | undefined, readonly Json[], string | undefined]>([
  ["by name", "ws", [{ name: "http", port: 80 }, ...PORTS], "8080"],
  ["by number", 8080, [{ name: "http", port: 80 }, ...PORTS], "8080"],
  ["by number, of a slice for every port", 9999, [{ name: "" }], "9999"],
  ["the only one", undefined, [{ port: 7000 }], "7000"],
  ["one of two, unnamed", undefined, [{ name: "http", port: 80 }, ...PORTS], undefined],
  ["of another protocol", "ws", [{ name: "ws", port: 8080, protocol: "UDP" }], undefined],
  ["the Service's own number", 80, PORTS, undefined],
])("the port: %s", (_what, port, ports, expected) => {
  const { endpoints, trouble } = readSlices([slice({ "10.0.0.1": READY }, { ports })], {
    ...{ port, endpointsMax: 10 },
  });
  expect(endpoints.map(({ address }) => address)).toEqual(
    expected === undefined ? [] : [`10.0.0.1:${expected}`],
  );
  if (expected === undefined) expect(trouble).toMatch(/^no slice has .*; they have /);
  else expect(trouble).toBeUndefined();
});

test("a named port may have another number in each slice", () => {
  const other = { ports: [{ name: "ws", port: 9090 }] };
  const slices = [slice({ "10.0.0.1": READY }), slice({ "10.0.0.2": READY }, other)];
  expect(read(slices).endpoints.map(({ address }) => address)).toEqual([
    ...["10.0.0.1:8080", "10.0.0.2:9090"],
  ]);
});

test("of two families one counts, so that no pod is there twice; IPv6 is in brackets", () => {
  const six = slice({ "fd00::1": READY }, { addressType: "IPv6" });
  expect(read([six]).endpoints).toEqual([{ address: "[fd00::1]:8080", takes: true }]);
  expect(read([six, slice({ "10.0.0.1": READY })]).endpoints).toEqual([
    { address: "10.0.0.1:8080", takes: true },
  ]);
  expect(read([slice({ "a.example": READY }, { addressType: "FQDN" })])).toMatchObject({
    endpoints: [],
    trouble: "its EndpointSlices have no IP addresses",
  });
});

test("beyond the limit those are left out that take nobody, and that is told", () => {
  const slices = [slice({ "10.0.0.1": UNREADY, "10.0.0.2": READY, "10.0.0.3": READY })];
  const { endpoints, trouble } = readSlices(slices, { port: "ws", endpointsMax: 2 });
  expect(endpoints.map(({ address }) => address)).toEqual(["10.0.0.2:8080", "10.0.0.3:8080"]);
  expect(trouble).toBe("3 endpoints, of which 2 are used");
});

test("no slice at all is told; slices of an application without pods are none", () => {
  expect(read([]).trouble).toContain("no EndpointSlice is there");
  expect(read([slice({}, { ports: null, endpoints: null })]).trouble).toBeUndefined();
});

test.each<[string, unknown]>([
  ["endpoints that are no list", { endpoints: 7 }],
  ["an endpoint without addresses", { endpoints: [{ addresses: [] }, {}, null, 3] }],
  ["ports that are none", { ports: [{ name: 1, port: "x" }, null] }],
  ["conditions that are none", { endpoints: [{ addresses: ["10.0.0.1"], conditions: "x" }] }],
])("%s are no reason to stop", (_what, broken) => {
  const slices = [slice({}, broken as Json), slice({ "10.0.0.9": READY })];
  expect(read(slices).endpoints).toContainEqual({ address: "10.0.0.9:8080", takes: true });
});
