// Owns: the webhook sink against a real HTTP endpoint, and what the endpoint may answer.
import { expect, test } from "bun:test";
import { type SinkContext, SinkError } from "@holdfast/pipelines";
import { sinkAdapters } from "@holdfast/sinks/adapters";
import { verifyWebhook, type WebhookBody } from "@holdfast/sinks/webhook";
import {
  type Arrived,
  describeSink,
  type SinkHarness,
  sinkRecord,
} from "@holdfast/testkit/contract";
import { freePort } from "../free-port.ts";

const SECRET = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cw==";
const [adapter] = sinkAdapters({ print: async () => {} });
if (adapter === undefined) throw new Error("no webhook adapter");

/** A receiver that checks signatures, remembers ids, and refuses what it cannot take. */
async function makeHarness(): Promise<SinkHarness> {
  const arrived: Arrived[] = [];
  const known = new Set<string>();
  const port = await freePort();
  let isFrozen = false;
  const answer = async (request: Request): Promise<Response> => {
    while (isFrozen) await Bun.sleep(5);
    const body = verifyWebhook({
      secret: SECRET,
      headers: Object.fromEntries(request.headers),
      body: await request.text(),
      nowMs: Date.now(),
    });
    const token = request.headers.get("authorization");
    if (body === undefined || token !== "Bearer secret-token")
      return new Response("secret-of-ours: no", { status: 401 });
    return take(body);
  };
  const take = ({ records }: WebhookBody): Response => {
    if (records.some(({ value }) => value === "poison")) return new Response("", { status: 422 });
    const refused = records.flatMap(({ value }, index) =>
      value === "bad" ? [{ index, reason: "no bad ones" }] : [],
    );
    for (const { id, key, value } of records) {
      if (known.has(id) || value === "bad") continue;
      known.add(id);
      arrived.push({ id, key, value });
    }
    return Response.json({ refused });
  };
  const serve = () => Bun.serve({ port, hostname: "127.0.0.1", fetch: answer });
  let server: ReturnType<typeof serve> | undefined = serve();
  const url = `http://127.0.0.1:${port}/hook`;
  return {
    adapter: adapter as NonNullable<typeof adapter>,
    options: { url, secretFrom: "HOOK_SECRET", headersFrom: { authorization: "HOOK_TOKEN" } },
    secrets: { HOOK_SECRET: SECRET, HOOK_TOKEN: "Bearer secret-token" },
    read: async () => arrived,
    isOnce: true,
    power: {
      async off() {
        await server?.stop(true);
        server = undefined;
      },
      async on() {
        server ??= serve();
      },
    },
    freeze: {
      on: () => {
        isFrozen = true;
      },
      off: () => {
        isFrozen = false;
      },
    },
    refused: ["poison", "bad", "poison"],
    strangers: [
      { what: "a wrong secret", secrets: { HOOK_SECRET: "another secret" } },
      { what: "a wrong token", secrets: { HOOK_TOKEN: "Bearer secret-token-2" } },
    ],
    wrong: [
      {},
      { url: "ftp://a" },
      { url: "http://user:a secret@host/" },
      { url, secretFrom: "not a name" },
      { url, headers: { "no name": "v" } },
      { url, headers: { a: "line\nbreak" } },
      { url, headersFrom: ["a secret"] },
    ],
    async close() {
      isFrozen = false;
      await server?.stop(true);
    },
  };
}

describeSink("webhook", makeHarness);

const context: SinkContext = {
  pipeline: "p",
  partition: 3,
  output: 1,
  timeoutMs: 2_000,
  secret: (name) => (name === "S" ? SECRET : undefined),
};

const batchOf = (count: number) => ({
  pipeline: "p",
  partition: 3,
  output: 1,
  attempt: 1,
  records: Array.from({ length: count }, (_, index) => sinkRecord(index + 1)),
});

/** Writes to an endpoint with that answer. */
async function writeTo(respond: (request: Request) => Response | Promise<Response>, count = 1) {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: respond });
  const options = { url: `http://127.0.0.1:${server.port}/`, secretFrom: "S" };
  const sink = adapter?.open({ sink: "webhook", options }, context);
  try {
    return await sink?.write(batchOf(count));
  } catch (error) {
    if (error instanceof SinkError) return { code: error.code, retryMs: error.retryMs };
    throw error;
  } finally {
    await sink?.close();
    await server.stop(true);
  }
}

const answers =
  (status: number, headers: Record<string, string> = {}) =>
  () =>
    new Response("{}", { status, headers });

test.each([
  [204, {}, undefined],
  [429, { "retry-after": "7" }, { code: "busy", retryMs: 7_000 }],
  [503, { "retry-after": "soon" }, { code: "busy", retryMs: undefined }],
  [503, { "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" }, { code: "busy", retryMs: 0 }],
  [408, {}, { code: "busy", retryMs: undefined }],
  [500, {}, { code: "unavailable", retryMs: undefined }],
  [502, { "retry-after": "1" }, { code: "unavailable", retryMs: 1_000 }],
  [302, { location: "http://127.0.0.1:1/" }, { code: "refused", retryMs: undefined }],
  [404, {}, { code: "refused", retryMs: undefined }],
  [422, {}, { refused: [{ index: 0, reason: "the target answered 422" }] }],
] as const)("an answer of %i with %j", async (status, headers, expected) => {
  const respond = status === 204 ? () => new Response(null, { status }) : answers(status, headers);
  expect(await writeTo(respond)).toEqual(expected);
});

test.each([
  ["no JSON", "<html>", undefined],
  ["a list", "[1]", undefined],
  ["null", "null", undefined],
  ["refusals of another kind", '{"refused": "all"}', undefined],
  ["a refusal of nothing", '{"refused": [{"index": 2}]}', "internal"],
  ["a refusal that is no number", '{"refused": [{"index": "0"}]}', "internal"],
  ["a refusal that is null", '{"refused": [null]}', "internal"],
  ["more than anybody reads", `{"x": "${"y".repeat(100_000)}", "refused": []}`, undefined],
])("an endpoint that answers with %s", async (_what, body, code) => {
  const found = await writeTo(() => new Response(body), 2);
  expect(found === undefined ? undefined : (found as { code?: string }).code).toBe(code as never);
});

test("an endpoint whose answer never ends is given up in time", async () => {
  const found = await writeTo(
    () =>
      new Response(
        new ReadableStream({
          async pull(controller) {
            await Bun.sleep(50);
            controller.enqueue(new Uint8Array(1));
          },
        }),
      ),
  );
  expect(found).toMatchObject({ code: "timeout" });
});

test("an endpoint that takes nothing of five hundred is asked about each, and no more often", async () => {
  let requests = 0;
  const found = await writeTo(() => {
    requests += 1;
    return new Response("", { status: 400 });
  }, 500);
  expect((found as { refused: unknown[] }).refused).toHaveLength(500);
  expect(requests).toBeLessThanOrEqual(999);
});

test("a body that was changed, is old, or has another's signature is not ours", async () => {
  let request: { headers: Record<string, string>; body: string } | undefined;
  await writeTo(async (one) => {
    request = { headers: Object.fromEntries(one.headers), body: await one.text() };
    return new Response("{}");
  });
  if (request === undefined) throw new Error("nothing was sent");
  const { headers, body } = request;
  const nowMs = Date.now();
  const ours = { secret: SECRET, headers, body, nowMs };
  expect(verifyWebhook(ours)?.records).toHaveLength(1);
  const two = `v1,AAAA ${headers["webhook-signature"]}`;
  expect(
    verifyWebhook({ ...ours, headers: { ...headers, "webhook-signature": two } }),
  ).toBeDefined();
  for (const change of [
    { body: body.replace("north", "south") },
    { secret: "whsec_AAAA" },
    { nowMs: nowMs + 301_000 },
    { nowMs: nowMs - 301_000 },
    { headers: {} },
    { headers: { ...headers, "webhook-id": "another" } },
    { headers: { ...headers, "webhook-timestamp": "NaN" } },
    { headers: { ...headers, "webhook-signature": "v1," } },
    {
      headers: {
        ...headers,
        "webhook-signature": `${"v1,AAAA ".repeat(9)}${headers["webhook-signature"]}`,
      },
    },
  ])
    expect(verifyWebhook({ ...ours, ...change })).toBeUndefined();
});
