// Checks the client that writes and watches against a real API server: conflicts, preconditions,
// ownership, watches whose connections die, two candidates of which one is stopped dead.
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type ClusterAccess,
  createEventRecorder,
  createKubeApi,
  credentialsSource,
  type Json,
  KubeApiError,
  Reflector,
  type ReflectorEvent,
  readKubeconfig,
} from "@holdfast/kube";
import { eventually } from "@holdfast/lab";
import { kubectl } from "../../tools/cluster/control-plane.ts";
import { ensurePrograms, type Programs } from "../../tools/cluster/programs.ts";
import { PATHS } from "../../tools/cluster/settings.ts";
import { patience } from "../patience.ts";
import { type Cable, cableTo } from "./cable.ts";

setDefaultTimeout(patience(120_000));

const NAMESPACE = "kubeapi";
const MAPS = `/api/v1/namespaces/${NAMESPACE}/configmaps`;
const folder = mkdtempSync(join(tmpdir(), "holdfast-api-"));
let programs: Programs;
let access: ClusterAccess;
let cable: Cable;
const reflectors: Reflector[] = [];
const children: Bun.Subprocess<"ignore", "pipe", "inherit">[] = [];

const kube = (...args: readonly string[]): Promise<string> =>
  kubectl(programs, ["--namespace", NAMESPACE, ...args], { timeoutMs: patience(60_000) });

/** In one request: kubectl would remove five a second. */
const removeAll = (): Promise<string> =>
  kube("delete", "--raw", `${MAPS}?labelSelector=test%3Dapi`);

const clientAs = (fieldManager: string, of: ClusterAccess = access) =>
  createKubeApi(of, credentialsSource(of, { env: process.env }, { renewalGapMs: 0 }), {
    fieldManager,
  });

const map = (name: string, data: Readonly<Record<string, string>> = { value: "1" }): Json => ({
  ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name, labels: { test: "api" } }, data },
});

const LATE_KIND = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "lates.test.holdfast.dev" },
  spec: {
    group: "test.holdfast.dev",
    names: { plural: "lates", singular: "late", kind: "Late" },
    scope: "Namespaced",
    versions: [
      {
        ...{ name: "v1", served: true, storage: true },
        schema: { openAPIV3Schema: { type: "object" } },
      },
    ],
  },
} as const;

/** The error of a call that must fail. */
async function refused(call: Promise<unknown>): Promise<KubeApiError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof KubeApiError) return error;
    throw error;
  }
  throw new TypeError("the call succeeded");
}

interface Meta {
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}
const meta = (object: Json | undefined): Meta => object?.metadata as Meta;
const data = (object: Json | undefined): unknown => object?.data;

beforeAll(async () => {
  programs = await ensurePrograms();
  const text = readFileSync(PATHS.kubeconfig, "utf8");
  access = readKubeconfig([{ path: PATHS.kubeconfig, text }]);
  cable = cableTo(new URL(access.server));
  await kube("delete", "crd", LATE_KIND.metadata.name, "--ignore-not-found", "--wait");
  await kube("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait");
  await kube("create", "namespace", NAMESPACE);
});
afterEach(async () => {
  for (const reflector of reflectors.splice(0)) reflector.stop();
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await removeAll();
});
afterAll(async () => {
  cable?.stop();
  rmSync(folder, { recursive: true, force: true });
  await kube("delete", "crd", LATE_KIND.metadata.name, "--ignore-not-found", "--wait=false");
  await kube("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false");
});

test("creates, reads, patches, replaces and removes; refusals have their kinds", async () => {
  const api = clientAs("tester");
  expect((await refused(api.get(`${MAPS}/a`))).isNotFound).toBe(true);
  const created = await api.create(MAPS, map("a"));
  expect((await refused(api.create(MAPS, map("a")))).isAlreadyExists).toBe(true);
  expect((await refused(api.create(MAPS, map("A!")))).isInvalid).toBe(true);
  await api.merge(`${MAPS}/a`, { data: { value: null, more: "2" } });
  expect(data(await api.get(`${MAPS}/a`))).toEqual({ more: "2" });
  const stale = { ...created, data: { value: "3" } };
  expect((await refused(api.replace(`${MAPS}/a`, stale))).isConflict).toBe(true);
  const { resourceVersion } = meta(created);
  const patch = { metadata: { resourceVersion }, data: { value: "3" } };
  expect((await refused(api.merge(`${MAPS}/a`, patch))).isConflict).toBe(true);
  const now = await api.get(`${MAPS}/a`);
  const replaced = await api.replace(`${MAPS}/a`, { ...now, data: { value: "4" } });
  expect(data(replaced)).toEqual({ value: "4" });
  await api.remove(`${MAPS}/a`);
  expect((await refused(api.remove(`${MAPS}/a`))).isNotFound).toBe(true);
});

test("a removal has preconditions: this object, and as it was seen", async () => {
  const api = clientAs("tester");
  const first = meta(await api.create(MAPS, map("a")));
  const second = meta(await api.merge(`${MAPS}/a`, { data: { value: "2" } }));
  const remove = (options: { readonly uid?: string; readonly resourceVersion?: string }) =>
    api.remove(`${MAPS}/a`, options);
  const wrong = [
    { uid: "00000000-0000-0000-0000-000000000000" },
    { resourceVersion: first.resourceVersion },
    { uid: first.uid, resourceVersion: first.resourceVersion },
  ];
  for (const options of wrong) expect((await refused(remove(options))).isConflict).toBe(true);
  await remove({ uid: second.uid, resourceVersion: second.resourceVersion });
  expect((await refused(api.get(`${MAPS}/a`))).isNotFound).toBe(true);
});

test("server-side apply: a field has an owner, until somebody takes it by force", async () => {
  const [one, two] = [clientAs("one"), clientAs("two")];
  await one.apply(`${MAPS}/a`, map("a", { mine: "1", ours: "1" }));
  const other = map("a", { ours: "2" });
  const error = await refused(two.apply(`${MAPS}/a`, other));
  expect(error.isConflict).toBe(true);
  expect(error.message).toContain('conflict with "one"');
  expect(data(await two.apply(`${MAPS}/a`, other, true))).toEqual({ mine: "1", ours: "2" });
  // What is left out is given up; what two took is no longer its own.
  expect(data(await one.apply(`${MAPS}/a`, map("a", {})))).toEqual({ ours: "2" });
});

function reflect(of: ClusterAccess = access) {
  const changes: string[] = [];
  const events: ReflectorEvent[] = [];
  const reflector = new Reflector(clientAs("reflector", of), {
    ...{ path: MAPS, labelSelector: "test=api", backoff: { firstMs: 50, maxMs: 500 } },
    silenceMs: patience(5000),
    onChange: ({ type, object }) => changes.push(`${type} ${meta(object).name}`),
    tell: (event) => events.push(event),
  });
  reflectors.push(reflector);
  reflector.start();
  const ended = () => events.filter(({ type }) => type === "ended" || type === "failed").length;
  const watching = () => events.filter(({ type }) => type === "watching").length;
  return { reflector, changes, events, ended, watching };
}

/** Resolves when the copy is what kubectl lists, version for version. */
async function isSame(reflector: Reflector): Promise<void> {
  await eventually(
    "the copy is what the API server has",
    async () => {
      const all = JSON.parse(
        await kube("get", "configmaps", "--selector", "test=api", "-o", "json"),
      ) as { readonly items: readonly Json[] };
      const versions = (objects: Iterable<Json>): readonly string[] =>
        [...objects].map(meta).map(({ name, resourceVersion }) => `${name} ${resourceVersion}`);
      return Bun.deepEquals(versions(reflector.objects).toSorted(), versions(all.items).toSorted());
    },
    { timeoutMs: patience(30_000), everyMs: 200 },
  );
}

test("a copy of 600 objects, listed in pages, follows what kubectl does", async () => {
  const api = clientAs("tester");
  for (let batch = 0; batch < 12; batch += 1)
    await Promise.all(
      Array.from({ length: 50 }, (_, index) => api.create(MAPS, map(`n${batch * 50 + index}`))),
    );
  const { reflector, changes, ended } = reflect();
  await isSame(reflector);
  expect(reflector.size).toBe(600);
  expect(reflector.get("n599", NAMESPACE)?.kind).toBe("ConfigMap");
  await kube("delete", "configmap", "n1", "n2");
  await kube("label", "configmap", "n3", "test=other", "--overwrite");
  await kube("patch", "configmap", "n4", "--patch", '{"data":{"value":"2"}}');
  await isSame(reflector);
  expect(changes.slice(600).toSorted()).toEqual([
    ...["changed n4", "removed n1", "removed n2", "removed n3"],
  ]);
  await kube("label", "configmap", "n3", "test=api", "--overwrite");
  await removeAll();
  await isSame(reflector);
  expect([reflector.size, ended()]).toEqual([0, 0]);
});

test("cut, silent and refused connections change nothing in the end", async () => {
  const api = clientAs("tester");
  const through = { ...access, server: `https://127.0.0.1:${cable.port}` };
  const { reflector, ended, watching } = reflect(through);
  await isSame(reflector);
  let name = 0;
  const change = async (): Promise<void> => {
    name += 1;
    await api.create(MAPS, map(`c${name}`));
    if (name > 1) await api.remove(`${MAPS}/c${name - 1}`);
  };
  for (const fault of ["cut", "silence", "refuse", "cut", "silence"] as const) {
    await change();
    await isSame(reflector);
    const [ends, watches] = [ended(), watching()];
    cable[fault]();
    await change();
    await eventually("the fault is noticed", async () => ended() > ends, {
      ...{ timeoutMs: patience(30_000), everyMs: 50 },
    });
    await change();
    cable.mend();
    await eventually("it watches again", async () => watching() > watches, {
      ...{ timeoutMs: patience(30_000), everyMs: 50 },
    });
    await isSame(reflector);
  }
});

test("a version of long ago is Gone", async () => {
  // Of a kind that is new: nothing is remembered from before it. A server that has just started
  // still remembers version 1 of pods.
  await kubectl(programs, ["apply", "-f", "-"], { stdin: JSON.stringify(LATE_KIND) });
  const { group, names } = LATE_KIND.spec;
  const lates = `/apis/${group}/v1/namespaces/${NAMESPACE}/${names.plural}`;
  const watchFromOne = () =>
    clientAs("tester").watch(lates, {
      ...{ resourceVersion: "1", timeoutSeconds: 5, signal: AbortSignal.timeout(30_000) },
      ...{ onOpen: () => {}, onEvent: () => {} },
    });
  // Until the kind is served it is not found, and for a moment after that the server is busy.
  await eventually("Gone", async () => (await refused(watchFromOne())).isGone, {
    ...{ timeoutMs: patience(30_000), everyMs: 100 },
  });
});

test("a version that is not reached yet is silent, and ends as if all were well", async () => {
  const api = clientAs("tester");
  const { resourceVersion } = await api.list(MAPS);
  const told: string[] = [];
  const watched = api.watch(MAPS, {
    resourceVersion: String(Number(resourceVersion) + 1_000_000),
    ...{ timeoutSeconds: 3, signal: AbortSignal.timeout(patience(30_000)) },
    onOpen: () => told.push("open"),
    onEvent: ({ type }) => told.push(type),
  });
  await api.create(MAPS, map("unseen"));
  await watched;
  expect(told).toEqual(["open"]);
});

test("a service account's token comes from its file, also after it was replaced", async () => {
  await kube("create", "serviceaccount", "reader");
  const file = join(folder, "token");
  writeFileSync(file, "not-a-token");
  const inside = {
    ...{ ...access, cert: undefined, key: undefined, token: { file } },
  };
  const api = clientAs("reader", inside);
  expect((await refused(api.get(MAPS))).isUnauthorized).toBe(true);
  const token = await kube("create", "token", "reader");
  writeFileSync(file, token);
  const error = await refused(api.get(MAPS));
  expect(error.isForbidden).toBe(true);
  expect(Bun.inspect(error)).not.toContain(token.trim());
  const binding = ["--clusterrole=view", `--serviceaccount=${NAMESPACE}:reader`];
  await kube("create", "rolebinding", "reader", ...binding);
  await eventually("the role counts", async () => (await api.list(MAPS)).items.length > 0, {
    ...{ timeoutMs: patience(10_000), everyMs: 100 },
  });
});

function candidate(identity: string) {
  const lines: string[] = [];
  const child = Bun.spawn(
    [process.execPath, join(import.meta.dir, "candidate.ts"), NAMESPACE, identity],
    { stdin: "ignore", stdout: "pipe", stderr: "inherit" },
  );
  children.push(child);
  void (async () => {
    for await (const chunk of child.stdout)
      lines.push(...new TextDecoder().decode(chunk).trim().split("\n"));
  })();
  const says = (line: string | RegExp): Promise<void> =>
    eventually(
      `${identity} says ${line}`,
      async () => lines.some((one) => one.match(line) !== null),
      { timeoutMs: patience(30_000), everyMs: 50 },
    );
  const epochs = () =>
    lines.flatMap((line) => (line.startsWith("leads ") ? [Number(line.slice(6))] : []));
  return { child, lines, says, epochs };
}

test("of two candidates one leads; the other follows one that is stopped dead, or ends", async () => {
  const one = candidate("one");
  await one.says(/^leads/);
  const two = candidate("two");
  one.child.kill("SIGSTOP");
  await two.says(/^leads/);
  one.child.kill("SIGCONT");
  await one.says(/^lost/);
  const [first, second] = [one.epochs()[0] ?? 0, two.epochs()[0] ?? 0];
  expect(second).toBe(first + 1);
  expect(one.epochs().length).toBe(1);
  two.child.kill("SIGKILL");
  await one.says(new RegExp(`^leads ${first + 2}$`));
  const three = candidate("three");
  await eventually(
    "the lease is held by the first again",
    async () =>
      (await kube("get", "lease", "dead", "-o", "jsonpath={.spec.holderIdentity}")).startsWith(
        "one_",
      ),
    { timeoutMs: patience(10_000), everyMs: 100 },
  );
  one.child.kill("SIGTERM");
  await three.says(new RegExp(`^leads ${first + 3}$`));
  expect(await one.child.exited).toBe(0);
});

test("kubectl shows the Events of an object, counted", async () => {
  const api = clientAs("tester");
  const regarding = await api.create(MAPS, map("a"));
  const failures: unknown[] = [];
  const recorder = createEventRecorder({
    ...{ api, controller: "holdfast.dev/operator", instance: "operator-0" },
    tell: ({ type, error }) => void (type === "failed" && failures.push(error)),
  });
  for (let index = 0; index < 7; index += 1)
    recorder.record({
      ...{ regarding, type: "Warning", reason: "PlaceMissing", action: "Drain" },
      note: "no pod has room",
    });
  await recorder.flush();
  recorder.stop();
  expect(failures).toEqual([]);
  const events = JSON.parse(await kube("get", "events.events.k8s.io", "--output", "json")) as {
    readonly items: readonly Json[];
  };
  const mine = events.items.filter(({ reason }) => reason === "PlaceMissing");
  expect(mine.map(({ note, series }) => [note, (series as Json).count])).toEqual([
    ["no pod has room", 7],
  ]);
  expect(await kube("describe", "configmap", "a")).toContain("no pod has room");
});
