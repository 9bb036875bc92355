// Checks that the control API is what its OpenAPI document says: every answer of real requests fits
// its schema, and every member of a body is asked for.
import { expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../../../../test/patience.ts";
import { connect, EchoServer, startGateway } from "../testing/setting.ts";
import { OPERATIONS } from "./control-api.ts";
import { openApiDocument } from "./openapi.ts";
import type { Schema, SchemaType } from "./schemas.ts";

setDefaultTimeout(patience(20_000));

const kindOf = (found: unknown): readonly SchemaType[] =>
  found === null
    ? ["null"]
    : Array.isArray(found)
      ? ["array"]
      : typeof found === "number"
        ? Number.isInteger(found)
          ? ["integer", "number"]
          : ["number"]
        : [typeof found as SchemaType];

/** Where a value is not what the schema says: members that it does not name, too. */
function wrongs(schema: Schema, found: unknown, at = ""): readonly string[] {
  const types = [schema.type ?? []].flat();
  const kinds = kindOf(found);
  if (!types.some((type) => kinds.includes(type)))
    return [`${at}: ${JSON.stringify(found)} is no ${types.join(" or ")}`];
  if (schema.enum !== undefined && !schema.enum.includes(found as string | null))
    return [`${at}: ${String(found)} is none of ${schema.enum.join(", ")}`];
  if (Array.isArray(found))
    return found.flatMap((one, index) => wrongs(schema.items ?? {}, one, `${at}[${index}]`));
  if (typeof found !== "object" || found === null) return [];
  const { properties = {}, required = [] } = schema;
  return [
    ...required.filter((name) => !(name in found)).map((name) => `${at}.${name} is missing`),
    ...Object.entries(found).flatMap(([name, value]) =>
      properties[name] === undefined
        ? [`${at}.${name} is not in the schema`]
        : wrongs(properties[name], value, `${at}.${name}`),
    ),
  ];
}

test("every answer is what the document says, and every operation was asked", async () => {
  const [a, b] = [new EchoServer("a"), new EchoServer("b")];
  const { program, api } = startGateway(
    `routes: [{name: app, profile: stateless, service: {static: [{address: "${a.address}", zone: z, revision: v1}, "${b.address}"]}}]`,
  );
  await connect(program.port);
  await connect(program.port);
  const session = (await api("GET", "sessions")).body.sessions[0].id;
  const at = `endpoints/app/${encodeURIComponent(a.address)}`;
  const bodies: Readonly<Record<string, object>> = {
    drain: { token: 3, windowMs: 60_000, to: [b.address], isPreferred: true },
    undrain: { token: 4 },
    shed: { token: 5, keep: 0, windowMs: 60_000, to: [b.address] },
    weight: { token: 6, weight: 2 },
  };
  for (const operation of OPERATIONS) {
    const { name, method, path, answer, body } = operation;
    const target = path
      .map((part) => (part === "{id}" ? session : part))
      .join("/")
      .replace("endpoints/{route}/{address}", at);
    const said = await api(method, target, bodies[name]);
    expect([name, said.status, wrongs(answer, said.body)]).toEqual([name, 200, []]);
    // Each member that the document names is one that the gateway knows.
    for (const member of Object.keys(body?.properties ?? {})) {
      const wrong = await api(method, target, { ...bodies[name], [member]: { no: 1 } });
      expect([name, wrong.status, wrong.body.path]).toEqual([name, 400, member]);
    }
  }
  const rows = (await api("GET", "endpoints")).body;
  const { answer } = OPERATIONS.find(({ name }) => name === "endpoints") ?? {};
  expect(wrongs(answer ?? {}, rows)).toEqual([]);
});

test("problems are what the document says, too", async () => {
  const a = new EchoServer("a");
  const { api } = startGateway(`routes: [{name: app, service: {static: ["${a.address}"]}}]`);
  const { components } = openApiDocument() as {
    readonly components: { readonly schemas: { readonly Problem: Schema } };
  };
  const asked = [
    api("GET", "nowhere"),
    api("PUT", "routes"),
    api("GET", "routes", undefined, "nobody"),
    api("GET", "sessions", undefined, "reader"),
    api("GET", "routes?limit=0"),
    api("POST", "endpoints/app/x/drain", { token: 1 }),
  ];
  for (const { status, body } of await Promise.all(asked)) {
    expect(status).toBeGreaterThanOrEqual(400);
    expect(wrongs(components.schemas.Problem, body)).toEqual([]);
  }
});

test("a gateway serves the document to anyone, and it holds together", async () => {
  const a = new EchoServer("a");
  const { admin } = startGateway(`routes: [{name: app, service: {static: ["${a.address}"]}}]`);
  const answer = await fetch(`${admin}/api/v1/openapi.json`);
  const text = await answer.text();
  expect([answer.status, JSON.parse(text)]).toEqual([200, openApiDocument()]);
  const found = [...text.matchAll(/"\$ref":"#\/components\/(\w+)\/(\w+)"/g)];
  const { components } = JSON.parse(text);
  for (const [, kind = "", name = ""] of found) expect(components[kind][name]).toBeDefined();
  const { paths } = JSON.parse(text);
  for (const [path, operations] of Object.entries<
    Record<string, { parameters?: { name: string; in: string }[] }>
  >(paths))
    for (const { parameters = [] } of Object.values(operations))
      expect(parameters.filter((one) => one.in === "path").map(({ name }) => name)).toEqual(
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name),
      );
});
