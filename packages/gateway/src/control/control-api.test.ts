// Checks the control API over real sockets: keys, scopes, fencing, lists, and what is no request.
import { expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../../../../test/patience.ts";
import { ask, configOf, connect, EchoServer, startGateway, until } from "../testing/setting.ts";

setDefaultTimeout(patience(20_000));

function setting() {
  const [a, b] = [new EchoServer("a"), new EchoServer("b")];
  const text = `routes: [{name: app, profile: stateless, slowStartMs: 0, service: {static: ["${a.address}", "${b.address}"]}}]`;
  return { a, b, text, ...startGateway(text) };
}
const at = ({ address }: EchoServer, order: string) =>
  `endpoints/app/${encodeURIComponent(address)}/${order}`;

test("a drain moves the clients away, keeps new ones away, and is taken back", async () => {
  const { a, b, program, api, metric } = setting();
  const clients = await Promise.all(Array.from({ length: 6 }, () => connect(program.port)));
  expect(await api("POST", at(a, "drain"), { token: 7 })).toMatchObject({
    status: 200,
    body: { route: "app", address: a.address, state: "leaving", isDrained: true, fence: 7 },
  });
  await until("all on b", async () => {
    const { body } = await api("GET", `endpoints?route=app`);
    const rows = body.endpoints as { address: string; connections: number }[];
    return rows.find(({ address }) => address === b.address)?.connections === 6;
  });
  for (const client of clients) expect(await ask(client, "x")).toBe("re:x@b");
  expect(await ask(await connect(program.port), "x")).toBe("re:x@b");
  expect((await api("POST", at(a, "undrain"), { token: 8 })).body.state).toBe("taking");
  expect(await ask(await connect(program.port), "x")).toBe("re:x@a");
  expect(await metric('holdfast_gateway_orders_total{outcome="obeyed"}')).toBe(2);
});

test("of two who give orders about one endpoint, the one with the lower token loses", async () => {
  const { a, b, api, metric } = setting();
  const order = async (server: EchoServer, what: string, body: object) =>
    (await api("POST", at(server, what), body)).status;
  expect(await order(a, "drain", { token: 10 })).toBe(200);
  // The one that was replaced does not know it yet.
  expect(await order(a, "undrain", { token: 9 })).toBe(409);
  expect(await order(a, "weight", { token: 9, weight: 5 })).toBe(409);
  // Again, and about another endpoint.
  expect(await order(a, "drain", { token: 10 })).toBe(200);
  expect(await order(b, "weight", { token: 1, weight: 5 })).toBe(200);
  const { body } = await api("GET", "endpoints");
  expect(body.endpoints).toMatchObject([
    { address: [a, b].map(({ address }) => address).sort()[0] },
    {},
  ]);
  expect(await metric('holdfast_gateway_orders_total{outcome="outdated"}')).toBe(2);
});

test("a shed is fenced, too, and one of a drained endpoint is refused for that", async () => {
  const { a, api, metric } = setting();
  const shed = async (body: object) => {
    const { status, body: said } = await api("POST", at(a, "shed"), { keep: 3, ...body });
    return [status, said.code, said.path];
  };
  expect(await shed({ token: 10 })).toEqual([200, undefined, undefined]);
  expect(await shed({ token: 9 })).toEqual([409, "order_refused", "token"]);
  expect((await api("POST", at(a, "drain"), { token: 9 })).status).toBe(409);
  // Who gives no token is asked for none, and moves no fence.
  expect(await shed({})).toEqual([200, undefined, undefined]);
  expect((await api("POST", at(a, "drain"), { token: 10 })).status).toBe(200);
  expect(await shed({ token: 10 })).toEqual([409, "order_refused", undefined]);
  expect(await shed({ token: 9 })).toEqual([409, "order_refused", "token"]);
  expect(await metric('holdfast_gateway_orders_total{outcome="drained"}')).toBe(1);
});

test("an order outlives a reload of the configuration", async () => {
  const { a, text, program, api } = setting();
  await api("POST", at(a, "drain"), { token: 1 });
  program.configure(configOf(`${text}\nzone: x`));
  const { body } = await api("GET", "endpoints");
  const rows = body.endpoints as { address: string; isDrained: boolean }[];
  expect(rows.find(({ address }) => address === a.address)?.isDrained).toBe(true);
});

test("keys may do what their scopes say, and nobody without a key anything", async () => {
  const { a, admin, api, metric } = setting();
  const table: readonly (readonly [key: string, method: string, path: string, status: number])[] = [
    ["reader", "GET", "routes", 200],
    ["reader", "GET", "endpoints", 200],
    ["reader", "GET", "sessions", 403],
    ["reader", "POST", at(a, "drain"), 403],
    ["drainer", "GET", "routes", 403],
    ["drainer", "DELETE", "sessions/x", 403],
    ["all", "DELETE", "sessions/x", 404],
    ["nobody", "GET", "routes", 401],
    // Who asks is found out first: paths are told to nobody.
    ["nobody", "GET", "nowhere", 401],
    ["all", "GET", "nowhere", 404],
    ["all", "PUT", "routes", 405],
    ["all", "GET", at(a, "drain"), 405],
    ["all", "POST", "endpoints/app/%E0%A4%A/drain", 404],
    ["all", "POST", "endpoints//x/drain", 404],
  ];
  for (const [key, method, path, status] of table)
    expect([key, method, path, (await api(method, path, undefined, key)).status]).toEqual([
      ...[key, method, path],
      status,
    ]);
  expect((await fetch(`${admin}/api/v1/routes`)).status).toBe(401);
  expect(await metric("holdfast_gateway_unauthorized_total")).toBe(3);
});

test("without keys there is no control API, and new keys hold at once", async () => {
  const { program, api, text } = setting();
  const config = configOf(text);
  program.configure({ ...config, apiKeys: [] });
  expect((await api("GET", "routes")).status).toBe(404);
  program.configure({ ...config, apiKeys: config.apiKeys.filter(({ name }) => name === "reader") });
  expect((await api("GET", "routes", undefined, "all")).status).toBe(401);
  expect((await api("GET", "routes", undefined, "reader")).status).toBe(200);
});

test("a body that is no order is refused with what was found, and changes nothing", async () => {
  const { a, admin, api } = setting();
  const bodies: readonly (readonly [string, string])[] = [
    ["{}", "token"],
    ['{"token": -1}', "token"],
    ['{"token": 1.5}', "token"],
    ['{"token": "1"}', "token"],
    ['{"token": 1e300}', "token"],
    ["[1]", "body"],
    ["nonsense", "body"],
    ["", "body"],
    ['{"__proto__": {"token": 1}}', "token"],
  ];
  for (const [body, path] of bodies) {
    const answer = await fetch(`${admin}/api/v1/${at(a, "drain")}`, {
      method: "POST",
      headers: { authorization: `Bearer ${"all".padEnd(40, ".")}` },
      body,
    });
    expect([body, answer.status, (await answer.json()).path]).toEqual([body, 400, path]);
  }
  for (const weight of [0, 101, 1.5, "2", null])
    expect((await api("POST", at(a, "weight"), { token: 1, weight })).body.path).toBe("weight");
  const big = await api("POST", at(a, "drain"), { token: 1, more: "x".repeat(100_000) }).catch(
    () => ({ status: 413 }),
  );
  expect(big.status).toBe(413);
  const { body } = await api("GET", "endpoints");
  expect(body.endpoints).toMatchObject([{ isDrained: false }, { isDrained: false }]);
  expect(body.endpoints.map(({ fence }: { fence?: number }) => fence)).toEqual([0, 0]);
});

test("sessions are listed in pages, and one can be closed", async () => {
  const { program, api } = setting();
  const clients = await Promise.all(Array.from({ length: 7 }, () => connect(program.port)));
  const seen: string[] = [];
  let after: string | null = "";
  for (let pages = 0; after !== null && pages < 10; pages++) {
    const { body } = await api("GET", `sessions?limit=3&after=${after}`);
    expect(body.total).toBe(7);
    seen.push(...body.sessions.map(({ id }: { id: string }) => id));
    after = body.next;
  }
  expect(new Set(seen).size).toBe(7);
  expect((await api("GET", "sessions?route=none")).body.sessions).toEqual([]);
  for (const limit of ["0", "1001", "x", "1.5", ""])
    expect((await api("GET", `sessions?limit=${limit}`)).status).toBe(400);
  expect((await api("DELETE", `sessions/${seen[0]}`)).body).toEqual({ id: seen[0], code: 1012 });
  await until(
    "one is closed",
    () => clients.filter(({ closed }) => closed !== undefined).length === 1,
  );
  expect((await api("DELETE", `sessions/${seen[0]}`)).status).toBe(404);
});

test("routes say what a deploy does to their clients", async () => {
  const { program, api } = setting();
  await connect(program.port);
  expect((await api("GET", "routes")).body).toEqual({
    routes: [
      {
        ...{ name: "app", host: null, path: "/", profile: "stateless", onDeploy: "holes" },
        ...{ service: "static", clients: 1, taking: 2, trouble: null },
      },
    ],
    total: 1,
    next: null,
  });
});
