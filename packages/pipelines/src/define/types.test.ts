import { expect, test } from "bun:test";
import { z } from "zod";
import type { Stream, TopEntry } from "../index.ts";
import {
  absence,
  avg,
  channel,
  count,
  from,
  hopping,
  latest,
  pipeline,
  quantile,
  threshold,
  topK,
  tumbling,
} from "../index.ts";
import type { SinkDefinition } from "../sink.ts";

const Reading = z.object({
  device: z.string(),
  unit: z.enum(["C", "F"]),
  value: z.number(),
  at: z.number(),
});
type Reading = z.infer<typeof Reading>;
const source = from("telemetry:{site}:{device}", Reading);

type Equal<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_equal: Equal<A, B>): void => {};
type ValueOf<S> = S extends Stream<infer V, infer _P> ? V : never;
type ParamsIn<S> = S extends Stream<infer _V, infer P> ? P : never;

test("values, parameters and keys have their types from the schema to the sinks", () => {
  const heat = pipeline(source)
    .filter((r, { params }) => r.unit === "C" && params.site !== "")
    .window(
      tumbling("10s", {
        time: (r) => r.at,
        lateness: "5s",
        key: (r, { params: { site } }) => ({ site, device: r.device }),
      }),
    )
    .aggregate({
      mean: avg((r) => r.value),
      p99: quantile(0.99, (r) => r.value),
      n: count(),
      top: topK(3, (r) => r.unit),
    });
  type Heat = ValueOf<typeof heat>;
  same<Heat["mean"], number | null>(true);
  same<Heat["p99"], number | null>(true);
  same<Heat["n"], number>(true);
  same<Heat["top"], readonly TopEntry[]>(true);
  same<Heat["key"], { site: string; device: string }>(true);
  same<ParamsIn<typeof heat>, { readonly site: string; readonly device: string }>(true);
  heat.to(channel("heat:{site}")).on("late", channel("late"));
  // @ts-expect-error nothing of that name is known behind the window
  heat.to(channel("heat:{room}"));
  expect(heat.definition.steps.map(({ kind }) => kind)).toEqual(["filter", "window"]);
});

test("functions are checked against the value that reaches them", () => {
  const stream = pipeline(source);
  // @ts-expect-error no such member
  stream.filter((r) => r.nothing);
  const mapped = stream.map((r) => ({ celsius: r.value, r }));
  same<ValueOf<typeof mapped>, { celsius: number; r: Reading }>(true);
  // @ts-expect-error the member is called celsius now
  mapped.filter((m) => m.value > 1);
  // @ts-expect-error a text cannot be averaged
  mapped.window(tumbling("1s")).aggregate({ mean: avg((m) => m.r.device) });
  const narrowed = stream.filter((r): r is Reading & { unit: "C" } => r.unit === "C");
  same<ValueOf<typeof narrowed>["unit"], "C">(true);
  const flat = stream.flatMap((r) => [r.value, r.unit]);
  same<ValueOf<typeof flat>, number | "C" | "F">(true);
  expect(flat.definition.steps).toHaveLength(1);
});

test("tables, detectors, branches and sinks have types, too", () => {
  const joined = pipeline(source).join(
    latest("devices", { schema: z.object({ owner: z.string() }) }),
    (r) => r.device,
    (r, device) => ({ ...r, owner: device?.owner }),
  );
  same<ValueOf<typeof joined>["owner"], string | undefined>(true);
  const hot = joined.detect(
    threshold({ value: (r) => r.value, above: 90, clearBelow: 85, key: (r) => r.device }),
  );
  same<ValueOf<typeof hot>["state"], "raised" | "cleared">(true);
  same<ValueOf<typeof hot>["key"], string>(true);
  joined.detect(absence("30s", { key: (r) => r.owner ?? "" }));
  const table: SinkDefinition<{ readonly mean: number | null }> = { sink: "table", options: {} };
  const windows = joined
    .window(hopping("1m", "10s", { key: (r) => r.device }))
    .aggregate({ mean: avg((r) => r.value) });
  windows.to(table);
  // @ts-expect-error the sink needs a mean
  joined.to(table);
  const branched = joined.branch({
    all: (stream) => stream.to(channel("all:{site}")),
    hot: (stream) => stream.filter((r) => r.value > 90).to(channel("hot")),
  });
  expect(branched.definition.steps.at(-1)?.kind).toBe("branch");
  // @ts-expect-error partitions are by parameters of the source
  pipeline(source, { partitions: 4, partitionBy: ["room"] });
});
