// Owns: the file and stdout sinks on a real file system: rotation, lines that were cut, a full
// disk, a reader that does not read.
import { afterAll, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type SinkContext, SinkError } from "@holdfast/pipelines";
import { sinkAdapters } from "@holdfast/sinks/adapters";
import { type Arrived, describeSink, sinkRecord } from "@holdfast/testkit/contract";

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-sink-"));
  folders.push(folder);
  return folder;
}

function adapterOf(kind: string, print: (lines: string) => Promise<void> = async () => {}) {
  const found = sinkAdapters({ print }).find((one) => one.kind === kind);
  if (found === undefined) throw new Error(`no ${kind} adapter`);
  return found;
}

const parsed = (lines: string): Arrived[] =>
  lines
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line))
    .map(({ id, key, value }) => ({ id, key, value }));

describeSink("file", async () => {
  const folder = makeFolder();
  mkdirSync(join(folder, "folder-0"));
  const path = join(folder, "deep/results.ndjson");
  return {
    adapter: adapterOf("file"),
    options: { path },
    secrets: {},
    read: async () => parsed(readFileSync(join(folder, "deep/results-0.ndjson"), "utf8")),
    isOnce: false,
    strangers: [
      { what: "a path that is a folder", options: { path: join(folder, "folder-{partition}") } },
    ],
    wrong: [{}, { path: "" }, { path: 1 }, { path, sync: "yes" }, { path, rotateBytes: 1.5 }],
    close: async () => {},
  };
});

describeSink("stdout", async () => {
  const printed: string[] = [];
  return {
    adapter: adapterOf("stdout", async (lines) => void printed.push(lines)),
    options: {},
    secrets: {},
    read: async () => parsed(printed.join("")),
    isOnce: false,
    wrong: [],
    close: async () => {},
  };
});

const context = (more: Partial<SinkContext> = {}): SinkContext => ({
  pipeline: "p",
  partition: 5,
  output: 1,
  timeoutMs: 200,
  secret: () => undefined,
  ...more,
});

const batchOf = (first: number, last: number) => ({
  pipeline: "p",
  partition: 5,
  output: 1,
  attempt: 1,
  records: Array.from({ length: last - first + 1 }, (_, index) => sinkRecord(first + index)),
});

const codeOf = async (writing: Promise<unknown> | undefined): Promise<string> =>
  writing?.then(
    () => "done",
    (error: unknown) => (error instanceof SinkError ? error.code : String(error)),
  ) ?? "nothing";

const idsIn = (path: string): number[] =>
  parsed(readFileSync(path, "utf8")).map(({ id }) => Number(id.split("/").at(-1)));

test("a line that was cut by a death is cut off, and its batch comes again", async () => {
  const path = join(makeFolder(), "a-{partition}-{output}-{pipeline}.ndjson");
  const open = () => adapterOf("file").open({ sink: "file", options: { path } }, context());
  const first = open();
  await first.write(batchOf(1, 3));
  await first.close();
  const file = path.replace("{partition}", "5").replace("{output}", "1").replace("{pipeline}", "p");
  appendFileSync(file, `{"id": "torn ${"x".repeat(200_000)}`);
  const second = open();
  await second.write(batchOf(4, 5));
  await second.close();
  expect(idsIn(file)).toEqual([1, 2, 3, 4, 5]);
});

test("files are rotated at their bytes, and the oldest are removed", async () => {
  const folder = makeFolder();
  const options = { path: join(folder, "a.ndjson"), rotateBytes: 1_024, keep: 2 };
  const sink = adapterOf("file").open({ sink: "file", options }, context());
  for (let first = 1; first <= 81; first += 10) await sink.write(batchOf(first, first + 9));
  await sink.write(batchOf(91, 91));
  await sink.close();
  expect(readdirSync(folder).toSorted()).toEqual(["a-5.ndjson", "a-5.ndjson.1", "a-5.ndjson.2"]);
  const kept = ["a-5.ndjson.2", "a-5.ndjson.1", "a-5.ndjson"].flatMap((name) =>
    idsIn(join(folder, name)),
  );
  expect(kept).toEqual(Array.from({ length: 21 }, (_, index) => 71 + index));
});

test.skipIf(!existsSync("/dev/full"))("a full disk is busy, and no reason to stop", async () => {
  const options = { path: "/dev/full{partition}", sync: false };
  // The device is always full: it stands for the disk.
  const sink = adapterOf("file").open(
    { sink: "file", options },
    context({ partition: "" as unknown as number }),
  );
  expect(await codeOf(sink.write(batchOf(1, 1)))).toBe("busy");
  await sink.close();
});

test("standard output that nobody reads is told in time", async () => {
  const sink = adapterOf("stdout", () => new Promise(() => {})).open(
    { sink: "stdout", options: {} },
    context(),
  );
  expect(await codeOf(sink.write(batchOf(1, 1)))).toBe("timeout");
  const broken = adapterOf("stdout", async () => {
    throw Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
  }).open({ sink: "stdout", options: {} }, context());
  expect(await codeOf(broken.write(batchOf(1, 1)))).toBe("unavailable");
});
