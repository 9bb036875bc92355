import { afterAll, expect, test } from "bun:test";
import { GatewayPlanes, readEndpoints } from "./gateway-planes.ts";
import { PlaneError } from "./plane.ts";

/** Gateways on loopback addresses of their own, since all of them have the same port. */
const ADDRESSES = ["127.0.0.1", "127.0.0.2"] as const;
const POD = "10.0.0.7:8080";
type Endpoint = Readonly<Record<string, unknown>>;

interface Gateway {
  startedAtMs: number;
  endpoints: readonly Endpoint[];
  status: number;
  readonly asked: { readonly path: string; readonly body: unknown }[];
  readonly server: ReturnType<typeof Bun.serve>;
}

const gateways: Gateway[] = [];
for (const hostname of ADDRESSES) {
  const gateway: Gateway = {
    ...{ startedAtMs: 1, endpoints: [], status: 200, asked: [] },
    server: Bun.serve({
      hostname,
      port: gateways[0]?.server.port ?? 0,
      async fetch(request) {
        const { pathname, search } = new URL(request.url);
        const body = await request.text();
        gateway.asked.push({
          path: pathname + search,
          body: body === "" ? undefined : JSON.parse(body),
        });
        const { startedAtMs, endpoints, status } = gateway;
        return Response.json({ gateway: hostname, startedAtMs, endpoints }, { status });
      },
    }),
  };
  gateways.push(gateway);
}
afterAll(() => {
  for (const { server } of gateways) server.stop(true);
});
const [first, second] = gateways as [Gateway, Gateway];

let nowMs = 0;
/** Of gateways that do not answer. */
let gone: Readonly<Record<string, string>> = {};
let known: readonly string[] = ADDRESSES;
const PLACE = { uid: "u1", address: "10.0.0.7" };

function planes(): GatewayPlanes {
  for (const gateway of gateways) Object.assign(gateway, { startedAtMs: 1, status: 200 });
  for (const { asked } of gateways) asked.length = 0;
  known = ADDRESSES;
  nowMs = 0;
  gone = {};
  return new GatewayPlanes({
    ...{ port: first.server.port ?? 0, scheme: "http", route: "shop", podPort: 8080 },
    connectionsMax: 100,
    gateways: async () => known,
    podsOf: (revision) => (revision === "r2" ? ["10.0.0.8", "fd00::9"] : []),
    key: async () => "sesame",
    nowMs: () => nowMs,
    whyGone: async (gateway) => gone[gateway],
  });
}

/** Answers are shared for a moment. */
const later = (ms = 500): void => {
  nowMs += ms;
};

const felt = (connectionMinutes: number, closedAbnormally = 0): Endpoint => ({
  felt: { connectionMinutes, closedAbnormally },
});

const problem = (work: Promise<unknown>): Promise<PlaneError> =>
  work.then(
    () => Promise.reject(new Error("expected a PlaneError, found an answer")),
    (error: unknown) => (error instanceof PlaneError ? error : Promise.reject(error)),
  );

test("a pod's report is the sum over all gateways, asked once for all pods", async () => {
  const all = planes();
  first.endpoints = [{ address: POD, sessions: 3, fixedSockets: 1, fence: 4 }, { address: "x:1" }];
  second.endpoints = [{ address: POD, sessions: 2, fixedSockets: 0, fence: 6 }];
  const [{ report, run }] = await Promise.all([
    all.ask(PLACE),
    all.ask({ uid: "u2", address: "10.0.0.7" }),
  ]);
  expect(report).toEqual({
    ...{ state: "ready", sessions: 5, fixedSockets: 1, connectionsMax: 100, fence: 6 },
  });
  expect(run).toBe("u1");
  expect(first.asked.map(({ path }) => path)).toEqual(["/api/v1/endpoints?limit=1000&route=shop"]);
});

test("it drains if every gateway drains it", async () => {
  const all = planes();
  first.endpoints = [{ address: POD, sessions: 3, fence: 6, drain: { deadlineInMs: 9000 } }];
  second.endpoints = [{ address: POD, sessions: 2, fence: 0 }];
  expect((await all.ask(PLACE)).report).toMatchObject({ state: "ready", sessions: 5, fence: 6 });
  second.endpoints = [{ address: POD, sessions: 1, fence: 6, drain: { deadlineInMs: 4000 } }];
  later();
  expect((await all.ask(PLACE)).report).toMatchObject({ state: "draining", drainLeftMs: 9000 });
  // A gateway that came later does not know the pod yet: it obeyed nothing.
  second.endpoints = [];
  later();
  expect((await all.ask(PLACE)).report.state).toBe("ready");
});

test("an order that one gateway missed is not obeyed, whatever it did before", async () => {
  const all = planes();
  const drain = { deadlineInMs: 9000 };
  const state = async (one: Endpoint, other: Endpoint) => {
    first.endpoints = [{ address: POD, ...one }];
    second.endpoints = [{ address: POD, ...other }];
    later();
    const { report } = await all.ask(PLACE);
    return [report.state, report.fence];
  };
  // The later drain has other terms: another window, other receivers.
  expect(await state({ fence: 7, drain }, { fence: 5, drain })).toEqual(["ready", 7]);
  expect(await state({ fence: 7, drain }, { fence: 7, drain })).toEqual(["draining", 7]);
  // The order to serve again was missed: the pod would stay without clients at one gateway.
  expect(await state({ fence: 8 }, { fence: 7, drain })).toEqual(["draining", 8]);
  expect(await state({ fence: 8 }, { fence: 8 })).toEqual(["ready", 8]);
  // A gateway that started anew has obeyed nothing, and drains nothing.
  expect(await state({ fence: 8 }, { fence: 0 })).toEqual(["ready", 8]);
  expect(await state({ fence: 8, drain }, { fence: 0 })).toEqual(["ready", 8]);
  // Two who gave the same token: nobody knows whose order stands.
  expect(await state({ fence: 8, drain }, { fence: 8 })).toEqual(["ready", 8]);
});

test("what clients felt is added up, and a gateway that starts anew is no crash", async () => {
  const all = planes();
  first.endpoints = [{ address: POD, ...felt(10, 1) }];
  second.endpoints = [{ address: POD, ...felt(5) }];
  expect((await all.ask(PLACE)).felt).toMatchObject({ connectionMinutes: 15, closedAbnormally: 1 });
  Object.assign(second, { startedAtMs: 2, endpoints: [{ address: POD, ...felt(2, 3) }] });
  first.endpoints = [{ address: POD, ...felt(11, 1) }];
  later();
  const answer = await all.ask(PLACE);
  expect(answer).toMatchObject({
    felt: { connectionMinutes: 18, closedAbnormally: 4 },
    run: "u1",
  });
  // One that is gone has counted for nothing less.
  known = ["127.0.0.1"];
  later();
  expect((await all.ask(PLACE)).felt).toMatchObject({ connectionMinutes: 18 });
});

test("orders go to every gateway, with the addresses of the revision's pods", async () => {
  const all = planes();
  await all.drain(PLACE, { token: 5, windowMs: 1000, toRevision: "r2", isPreferred: true });
  const to = ["10.0.0.8:8080", "[fd00::9]:8080"];
  for (const { asked } of gateways)
    expect(asked).toEqual([
      {
        path: `/api/v1/endpoints/shop/${encodeURIComponent(POD)}/drain`,
        body: { token: 5, windowMs: 1000, isPreferred: true, to },
      },
    ]);
  await all.serve(PLACE, { token: 6 });
  expect(second.asked.at(-1)).toMatchObject({ body: { token: 6 } });
});

test("an order that one gateway did not take has failed, and the others have it", async () => {
  const all = planes();
  second.status = 409;
  const { code } = await problem(all.drain(PLACE, { token: 5, windowMs: 1000 }));
  expect([code, first.asked.length]).toEqual(["refused", 1]);
});

test("who keeps only some keeps them by the gateways' shares", async () => {
  const all = planes();
  first.endpoints = [{ address: POD, sessions: 30 }];
  second.endpoints = [{ address: POD, sessions: 11 }];
  await all.shed(PLACE, { token: 6, keep: 10, toRevision: "r2", windowMs: 2000 });
  const parts = gateways.map(({ asked }) => asked.at(-1)?.body);
  expect(parts).toMatchObject([
    { keep: 7, token: 6 },
    { keep: 3, token: 6 },
  ]);
  first.endpoints = [{ address: POD, sessions: 20, shed: { keep: 7, remaining: 13 } }];
  second.endpoints = [{ address: POD, sessions: 3, shed: { keep: 3, remaining: 0 } }];
  later();
  expect((await all.ask(PLACE)).report.shed).toEqual({
    ...{ keep: 10, remaining: 13, toRevision: "r2" },
  });
});

test("without all gateways nothing is said", async () => {
  const all = planes();
  second.status = 503;
  expect((await problem(all.ask(PLACE))).code).toBe("unreachable");
  known = [];
  later();
  expect((await problem(all.ask(PLACE))).message).toContain("found 0 of them");
  known = ["127.0.0.1"];
  first.endpoints = [];
  later();
  expect((await problem(all.ask(PLACE))).message).toContain("no gateway has it");
});

/** Nobody is there. */
const DEAD = "127.0.0.3";

test("a gateway that may hold clients is waited for, and people are told which", async () => {
  const all = planes();
  known = [...ADDRESSES, DEAD];
  first.endpoints = second.endpoints = [{ address: POD, sessions: 2 }];
  for (let at = 0; at < 60; at++) {
    expect((await problem(all.ask(PLACE))).message).toContain(DEAD);
    if (nowMs < 30_000) expect(all.trouble()).toEqual({ silent: "", gone: "" });
    later(1000);
  }
  expect(all.trouble()).toEqual({
    silent: `No answer for 30 s of gateways that may hold clients: ${DEAD}. Drains and releases wait for them.`,
    gone: "",
  });
  // One that Kubernetes cannot be asked about may hold clients, too.
  const unknown = new GatewayPlanes({
    ...{ port: first.server.port ?? 0, scheme: "http", route: "shop", podPort: 8080 },
    ...{ connectionsMax: 100, gateways: async () => known, podsOf: () => [] },
    ...{ key: async () => "sesame", nowMs: () => nowMs },
    whyGone: () => Promise.reject(new Error("forbidden")),
  });
  for (let at = 0; at < 40; at++) {
    expect((await problem(unknown.ask(PLACE))).code).toBe("unreachable");
    later(1000);
  }
});

test("a gateway that is gone is not counted, gets no orders, and counts if it is back", async () => {
  const all = planes();
  known = [...ADDRESSES, DEAD];
  gone = { [DEAD]: "no container of its pod gw-1 runs" };
  const drain = { deadlineInMs: 9000 };
  first.endpoints = second.endpoints = [{ address: POD, sessions: 2, fence: 7, drain }];
  // Not before its time: a process that starts anew says nothing for a while.
  while (nowMs < 30_000) {
    expect((await problem(all.ask(PLACE))).code).toBe("unreachable");
    later(1000);
  }
  await all.ask(PLACE).catch(() => {});
  later(1000);
  expect((await all.ask(PLACE)).report).toMatchObject({ sessions: 4, state: "draining", fence: 7 });
  expect(all.trouble()).toEqual({
    silent: "",
    gone: `Gateways that are gone, and are not counted: ${DEAD} (no container of its pod gw-1 runs).`,
  });
  await all.drain(PLACE, { token: 7, windowMs: 1000 });
  expect(first.asked.at(-1)?.path).toContain("/drain");
  const server = Bun.serve({
    ...{ hostname: DEAD, port: first.server.port ?? 0 },
    fetch: () =>
      Response.json({ gateway: "gw-1", endpoints: [{ address: POD, sessions: 1, fence: 0 }] }),
  });
  try {
    const sessions = async (): Promise<number> => {
      later(5000);
      const { report } = await all.ask(PLACE);
      await Bun.sleep(5);
      return report.sessions;
    };
    for (let at = 0; at < 100 && (await sessions()) !== 5; at++);
    // It has obeyed nothing yet: the order comes again.
    expect((await all.ask(PLACE)).report).toMatchObject({ sessions: 5, state: "ready" });
    expect(all.trouble()).toEqual({ silent: "", gone: "" });
  } finally {
    await server.stop(true);
  }
});

test("a gateway whose machine speaks again is waited for, although it was gone", async () => {
  const all = planes();
  known = [...ADDRESSES, DEAD];
  gone = { [DEAD]: "machine m says nothing" };
  first.endpoints = second.endpoints = [{ address: POD, sessions: 2 }];
  for (let at = 0; at < 32; at++) {
    await all.ask(PLACE).catch(() => {});
    later(1000);
  }
  expect((await all.ask(PLACE)).report.sessions).toBe(4);
  gone = {};
  let code: string | undefined;
  for (let at = 0; at < 100 && code === undefined; at++) {
    later(5000);
    code = await all.ask(PLACE).then(
      () => undefined,
      (error: PlaneError) => error.code,
    );
    await Bun.sleep(5);
  }
  expect([code, all.trouble().silent.includes(DEAD)]).toEqual(["unreachable", true]);
});

test("what a gateway says is bounded, and one without a name says nothing", () => {
  expect(() => readEndpoints({ endpoints: [] })).toThrow(PlaneError);
  const { endpoints } = readEndpoints({
    gateway: "g",
    endpoints: [{ address: POD, sessions: -1, fence: 1.5, felt: { lost: 1e300 } }, 7],
  });
  expect(endpoints.get(POD)).toMatchObject({ sessions: 0, felt: { lost: 2 ** 40 } });
  expect(endpoints.size).toBe(1);
});
