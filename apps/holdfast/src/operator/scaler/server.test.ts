import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import http2 from "node:http2";
import {
  type Client,
  type ClientReadableStream,
  connectivityState,
  credentials,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import type { DemandAnswer, SetPlace } from "@holdfast/operator-runtime";
import { patience } from "../../../../../test/patience.ts";
import { METRIC, type ScalerLimits, type ScalerServer, serveScaler } from "./server.ts";
import { ExternalScaler } from "./service.ts";

const PLACE = { namespace: "live", scalerMetadata: { realtimeSet: "rt" } };
const KNOWN: DemandAnswer = { ok: true, demand: { pods: 7, isHeld: false } };

let server: ScalerServer | undefined;
const clients: Client[] = [];
let told: string[];
let answer: DemandAnswer;
let asked: SetPlace[];

beforeEach(() => {
  [told, asked, answer] = [[], [], KNOWN];
});
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  server?.close();
});

async function begin(limits: Partial<ScalerLimits> = {}): Promise<Client> {
  server = await serveScaler({
    ...{ host: "127.0.0.1", port: 0, limits },
    demandOf: (place) => {
      asked.push(place);
      return answer;
    },
    events: { scalerCalled: (call, outcome) => told.push(`${call} ${outcome}`) },
  });
  return connect();
}

function connect(): Client {
  const client = new ExternalScaler(`127.0.0.1:${server?.port}`, credentials.createInsecure());
  clients.push(client);
  return client;
}

/** The answer, or the code and the words of the refusal. */
function ask(client: Client, call: string, request: object): Promise<unknown> {
  const deadline = Date.now() + patience(10_000);
  return new Promise((resolve) =>
    Reflect.get(client, call).call(
      client,
      request,
      { deadline },
      (error: ServiceError | null, response: unknown) =>
        resolve(error === null ? response : `${status[error.code]} ${error.details}`),
    ),
  );
}

/** A stream, and what came of it so far. */
function open(client: Client, call: string, request: object = PLACE) {
  const came: unknown[] = [];
  const ended = Promise.withResolvers<string>();
  const first = Promise.withResolvers<void>();
  const stream: ClientReadableStream<unknown> = Reflect.get(client, call).call(client, request);
  stream.on("data", (message) => {
    came.push(message);
    first.resolve();
  });
  stream.on("error", ({ code, details }: ServiceError) =>
    ended.resolve(`${status[code]} ${details}`),
  );
  stream.on("end", () => ended.resolve("OK"));
  return { came, first: first.promise, ended: ended.promise, cancel: () => stream.cancel() };
}

const metricsOf = (metricName: string, more: object = PLACE) => ({
  ...{ metricName, scaledObjectRef: more },
});

test("an autoscaler is told how many pods the set needs, with one pod as the target", async () => {
  const client = await begin();
  const [specs] = [await ask(client, "GetMetricSpec", PLACE)];
  expect(specs).toEqual({
    metricSpecs: [{ metricName: METRIC, targetSize: 1, targetSizeFloat: 1 }],
  });
  expect(await ask(client, "GetMetrics", metricsOf(METRIC))).toEqual({
    metricValues: [{ metricName: METRIC, metricValue: 7, metricValueFloat: 7 }],
  });
  expect(await ask(client, "IsActive", PLACE)).toEqual({ result: true });
  expect(asked).toEqual(Array(3).fill({ namespace: "live", name: "rt" }));
  expect(told).toEqual(["GetMetricSpec answered", "GetMetrics answered", "IsActive answered"]);
});

test("streams say at once what is, and stay open", async () => {
  const client = await begin();
  const active = open(client, "StreamIsActive");
  const specs = open(client, "StreamMetricSpec");
  await Promise.all([active.first, specs.first]);
  expect(active.came).toEqual([{ result: true }]);
  expect(specs.came).toEqual([await ask(client, "GetMetricSpec", PLACE)]);
  expect(server?.streams).toBe(2);
});

const no = (code: "unavailable" | "forbidden" | "unknown" | "refused"): DemandAnswer => ({
  ...{ ok: false, code, message: `it is ${code}` },
});

describe.each(["IsActive", "GetMetricSpec", "GetMetrics", "StreamIsActive", "StreamMetricSpec"])(
  "%s",
  (call) => {
    const result = async (client: Client, ref: object): Promise<unknown> =>
      call.startsWith("Stream")
        ? await open(client, call, ref).ended
        : await ask(client, call, call === "GetMetrics" ? metricsOf(METRIC, ref) : ref);

    test.each([
      ["unavailable", "UNAVAILABLE"],
      ["forbidden", "PERMISSION_DENIED"],
      ["unknown", "NOT_FOUND"],
      ["refused", "FAILED_PRECONDITION"],
    ] as const)("tells why nothing is said: %s", async (code, name) => {
      const client = await begin();
      answer = no(code);
      expect(await result(client, PLACE)).toBe(`${name} it is ${code}`);
      expect(told).toEqual([`${call} ${name.toLowerCase().replaceAll("_", "-")}`]);
      expect(server?.streams).toBe(0);
    });

    test.each([
      [
        "a trigger that names no set",
        { namespace: "live", scalerMetadata: { scalerAddress: "x", realtimeset: "rt" } },
        "found realtimeset, scalerAddress in the trigger's metadata, expected realtimeSet: NAME",
      ],
      [
        "no metadata",
        { namespace: "live" },
        "found nothing in the trigger's metadata, expected realtimeSet: NAME",
      ],
      [
        "no namespace",
        { scalerMetadata: { realtimeSet: "rt" } },
        "found no namespace, expected that of the ScaledObject",
      ],
    ])("refuses %s", async (_, ref, words) => {
      const client = await begin();
      expect(await result(client, ref)).toBe(`INVALID_ARGUMENT ${words}`);
      expect(asked).toEqual([]);
    });
  },
);

test("another metric, and a question about nobody, are refused", async () => {
  const client = await begin();
  expect(await ask(client, "GetMetrics", metricsOf("s0-pods"))).toBe(
    `INVALID_ARGUMENT found the metric "s0-pods", expected "${METRIC}"`,
  );
  expect(await ask(client, "GetMetrics", { metricName: METRIC })).toBe(
    "INVALID_ARGUMENT found no namespace, expected that of the ScaledObject",
  );
});

test("a message that is too long is refused, and the next one answered", async () => {
  const client = await begin({ messageBytesMax: 1000 });
  const long = { ...PLACE, name: "x".repeat(1000) };
  expect(await ask(client, "IsActive", long)).toStartWith("RESOURCE_EXHAUSTED ");
  expect(await ask(client, "IsActive", PLACE)).toEqual({ result: true });
});

test("a peer that has its streams gets no more until one ends", async () => {
  const client = await begin({ streamsPerPeerMax: 1 });
  const first = open(client, "StreamIsActive");
  await first.first;
  expect(await open(client, "StreamMetricSpec").ended).toBe(
    "RESOURCE_EXHAUSTED found 1 streams open from 127.0.0.1, the most",
  );
  first.cancel();
  await eventually(() => server?.streams === 0);
  await open(client, "StreamMetricSpec").first;
});

test("streams of all have a limit", async () => {
  const client = await begin({ streamsMax: 1 });
  await open(client, "StreamIsActive").first;
  expect(await open(connect(), "StreamIsActive").ended).toBe(
    "RESOURCE_EXHAUSTED found 1 streams open, the most",
  );
});

test("peers are told how many calls a connection carries at a time", async () => {
  await begin({ callsPerConnectionMax: 17 });
  const session = http2.connect(`http://127.0.0.1:${server?.port}`);
  const { maxConcurrentStreams } = await new Promise<http2.Settings>((resolve, reject) => {
    session.on("remoteSettings", resolve);
    session.on("error", reject);
  });
  session.destroy();
  expect(maxConcurrentStreams).toBe(17);
});

test("a stream ends well after its time, and its place is free", async () => {
  const client = await begin({ streamMs: 20 });
  const stream = open(client, "StreamIsActive");
  expect(await stream.ended).toBe("OK");
  expect(stream.came).toEqual([{ result: true }]);
  expect(server?.streams).toBe(0);
});

test("a connection ends after its time", async () => {
  const client = await begin({ connectionMs: 50 });
  await ask(client, "IsActive", PLACE);
  await eventually(
    () => client.getChannel().getConnectivityState(false) !== connectivityState.READY,
  );
});

test("an operator that leads no more ends every stream and listens no more", async () => {
  const client = await begin();
  const stream = open(client, "StreamIsActive");
  await stream.first;
  server?.close();
  await stream.ended;
  expect(await ask(client, "IsActive", PLACE)).toStartWith("UNAVAILABLE ");
});

/** Resolves when it holds. */
async function eventually(holds: () => boolean): Promise<void> {
  const endMs = performance.now() + patience(10_000);
  while (!holds()) {
    if (performance.now() > endMs) throw new Error("it did not come to hold");
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
