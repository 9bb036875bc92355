// Checks what an upgrade keeps of the cluster, and which changes it refuses because they would hurt
// the people who are connected.
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { patience } from "../patience.ts";
import { BASE, merged, OPERATED } from "./cases.ts";
import { type KubeObject, objects, parse, upgrade, type Values } from "./helm.ts";
import { podOf } from "./policy.ts";

setDefaultTimeout(patience(60_000));

const LOAD_BALANCER: Values = { expose: { mode: "loadBalancer" } };
const VALKEY: Values = {
  broker: { mode: "valkey", url: "", valkey: { existingSecret: { name: "holdfast" } } },
};
const MODES = ["hpa-pods", "hpa-external", "keda"];
const scaledBy = (mode: string, more: Values = {}): Values => ({
  autoscaling: { mode, keda: { serverAddress: "http://prometheus:9090" }, ...more },
});

/** A workload as the cluster has it after an installation with these values. */
async function installed(values: Values = {}, live: Live = {}): Promise<readonly KubeObject[]> {
  const all = await objects({ values: merged(BASE, values) });
  return all
    .filter(({ kind }) => ["Deployment", "StatefulSet", "RealtimeSet"].includes(kind))
    .map((object) => asLive(object, live));
}

interface Live {
  readonly replicas?: number;
  /** Fields that a server-side apply owns in `spec`. Absent: a client merged. */
  readonly applied?: readonly string[];
  readonly annotations?: Readonly<Record<string, string>>;
}

function asLive(object: KubeObject, { replicas = 5, applied, annotations }: Live): KubeObject {
  const owned = (applied ?? ["selector", "replicas"]).map((name) => [`f:${name}`, {}]);
  const entry = {
    manager: "helm",
    operation: applied === undefined ? "Update" : "Apply",
    fieldsV1: { "f:spec": Object.fromEntries(owned) },
  };
  const metadata = {
    ...object.metadata,
    managedFields: [entry],
    ...(annotations === undefined ? {} : { annotations }),
  };
  return { ...object, metadata, spec: { ...object.spec, replicas } };
}

async function workloadAfter(values: Values, cluster: readonly KubeObject[]): Promise<KubeObject> {
  const { ok, stdout, stderr } = await upgrade({ values: merged(BASE, values) }, cluster);
  if (!ok) throw new Error(stderr);
  const kind = values.kind ?? "Deployment";
  const found = parse(stdout).find(
    (object) => object.kind === kind && object.metadata.name === "rt-holdfast",
  );
  if (found === undefined) throw new Error(`no ${String(kind)}`);
  return found;
}

const replicasAfter = async (values: Values, cluster: readonly KubeObject[]) =>
  (await workloadAfter(values, cluster)).spec?.replicas;

describe.each(MODES)("autoscaling %s", (mode) => {
  test("states no number of pods where there is nothing to look at", async () => {
    const all = await objects({ values: merged(BASE, scaledBy(mode)) });
    const node = all.find(({ kind }) => kind === "Deployment");
    expect(node?.spec).not.toHaveProperty("replicas");
    expect(node?.metadata).toMatchObject({ annotations: { "holdfast.dev/replicas": "left" } });
  });

  test.each(["Deployment", "StatefulSet"])(
    "keeps the number of pods of a %s when it is turned on, by a client's merge and by the server's",
    async (kind) => {
      const values = merged(scaledBy(mode), { kind });
      const cluster = await installed({ kind });
      expect(await replicasAfter(values, cluster)).toBe(5);
      const applied = await installed({ kind }, { applied: ["selector", "replicas"] });
      expect(await replicasAfter(values, applied)).toBe(5);
    },
  );
});

describe("while autoscaling is on, an upgrade", () => {
  const on = scaledBy("hpa-pods");

  test("repeats the number for a client's merge if the last manifest had it", async () => {
    const annotations = { "holdfast.dev/replicas": "stated" };
    expect(await replicasAfter(on, await installed({}, { replicas: 12, annotations }))).toBe(12);
  });

  test("repeats it if the last manifest was of a chart that did not remember", async () => {
    expect(await replicasAfter(on, await installed({}, { replicas: 7, annotations: {} }))).toBe(7);
  });

  test("leaves it out if the last manifest did", async () => {
    expect(await replicasAfter(on, await installed(on, { replicas: 12 }))).toBeUndefined();
  });

  test("leaves it out for the server's apply if the autoscaler owns it, also after the first time", async () => {
    const annotations = { "holdfast.dev/replicas": "stated" };
    const cluster = await installed({}, { replicas: 12, applied: ["selector"], annotations });
    const node = await workloadAfter(on, cluster);
    expect(node.spec).not.toHaveProperty("replicas");
    expect(node.metadata).toMatchObject({ annotations: { "holdfast.dev/replicas": "left" } });
  });

  test("repeats it if some other apply owns a part of the workload, and a client merged the rest", async () => {
    const [node] = await installed({}, { replicas: 6 });
    if (node === undefined) throw new Error("no workload");
    const applied = { "f:spec": { "f:paused": {}, "f:selector": {} } };
    const patch = { manager: "k", operation: "Apply", fieldsV1: applied };
    const before = node.metadata.managedFields as readonly unknown[];
    const both = { ...node, metadata: { ...node.metadata, managedFields: [...before, patch] } };
    expect(await replicasAfter(on, [both])).toBe(6);
  });
});

test("a workload of another kind begins with as many pods as the one before", async () => {
  const values = merged(scaledBy("hpa-pods"), { kind: "StatefulSet", acknowledge: ["workload"] });
  expect(await replicasAfter(values, await installed({}, { replicas: 9 }))).toBe(9);
});

type Refusal = readonly [string, { before?: Values; live?: Live; after: Values }, string];

const REFUSED: readonly Refusal[] = [
  [
    "autoscaling that is turned off with a small number",
    { before: scaledBy("keda"), live: { replicas: 12 }, after: { replicas: 2 } },
    "replicas 2 takes 10 of 12 pods away at once: the 2 that stay have room for 2 x 15000 of the planned 12 x 10000 connections, and the moves need 10 x 10000 / (2 x 500) = 100.0 s of 50 s. At most down to 8 at once",
  ],
  [
    "a smaller maximum, to which the autoscaler goes at once",
    {
      before: scaledBy("hpa-pods"),
      live: { replicas: 12 },
      after: scaledBy("hpa-pods", { maxReplicas: 3 }),
    },
    "autoscaling.maxReplicas 3 takes 9 of 12 pods away at once",
  ],
  ["another kind", { after: { kind: "StatefulSet" } }, "deletes deployment rt-holdfast, and its 5"],
  [
    "another name",
    { after: { fullnameOverride: "chat" } },
    "kubectl -n realtime annotate deployment/rt-holdfast helm.sh/resource-policy=keep",
  ],
  [
    "another selector",
    { after: { nameOverride: "chat", fullnameOverride: "rt-holdfast" } },
    "and Kubernetes never changes it to",
  ],
  [
    "another broker",
    { after: { broker: { url: "redis://other:6379" } } },
    "the broker changes from redis://redis.data:6379/0 to redis://other:6379",
  ],
  [
    "the trial's broker for another one",
    { before: VALKEY, after: {} },
    "the broker changes from valkey to redis://redis.data:6379/0",
  ],
  [
    "the volume of the trial Valkey",
    {
      before: VALKEY,
      after: merged(VALKEY, { broker: { valkey: { persistence: { enabled: true } } } }),
    },
    'from "none" to "4Gi", which Kubernetes refuses',
  ],
  [
    "another resume secret in one step",
    { after: { auth: { resumeSecretKey: "new" } } },
    "auth.resumeSecretKey changes from holdfast/resumeSecret to holdfast/new in one step: sessions cannot move between old and new pods. Three steps: name the new key as the other one (auth.resumeSecretOtherKey)",
  ],
  [
    "a new key that is not accepted by the old pods",
    { after: { auth: { hmacSecretKey: "new", hmacSecretOtherKey: "hmacSecret" } } },
    "auth.hmacSecretKey changes from holdfast/hmacSecret to holdfast/new in one step",
  ],
  [
    "a key that is given up",
    { after: { auth: { hmacSecretKey: "" }, config: { auth: { insecure: true } } } },
    "auth.hmacSecretKey holdfast/hmacSecret is no longer used",
  ],
  [
    "another path",
    { after: { config: { basePath: "/rt" } } },
    "clients connect by ws /connect, and new pods would answer ws /rt/connect alone",
  ],
  ["TLS at the node", { after: { tls: { existingSecret: "tls" } } }, "wss /connect alone"],
  [
    "another way in",
    { before: LOAD_BALANCER, after: { expose: { mode: "none" } } },
    "annotate service/rt-holdfast-public helm.sh/resource-policy=keep",
  ],
];

describe("an upgrade refuses", () => {
  test.each(REFUSED)("%s", async (_name, { before = {}, live = {}, after }, text) => {
    const cluster = await installed(before, live);
    const { ok, stderr } = await upgrade({ values: merged(BASE, after) }, cluster);
    expect([ok, stderr.replaceAll(/\s+/g, " ")]).toEqual([false, expect.stringContaining(text)]);
  });

  test.each(
    REFUSED.flatMap(([name, change, text]) =>
      text.includes("never changes") || text.includes("Kubernetes refuses")
        ? []
        : [[name, change] as const],
    ),
  )("not %s, once it is acknowledged", async (_name, { before = {}, live = {}, after }) => {
    const accepted = ["scaleDown", "workload", "broker", "valkey", "secrets", "address"];
    const values = merged(BASE, merged(after, { acknowledge: accepted }));
    const { stderr } = await upgrade({ values }, await installed(before, live));
    expect(stderr).toBe("");
  });
});

const ALLOWED: readonly (readonly [string, { before?: Values; live?: Live; after: Values }])[] = [
  ["nothing new", { after: {} }],
  ["as many fewer pods as the others can take", { live: { replicas: 12 }, after: { replicas: 8 } }],
  ["more pods", { after: { replicas: 9 } }],
  [
    "the second step of a new secret",
    {
      before: { auth: { resumeSecretOtherKey: "new" } },
      after: { auth: { resumeSecretKey: "new", resumeSecretOtherKey: "resumeSecret" } },
    },
  ],
  ["a way in where there was none", { after: LOAD_BALANCER }],
  ["a cluster that has nothing of it", { live: { annotations: {} }, after: LOAD_BALANCER }],
];

test.each(ALLOWED)("an upgrade takes %s", async (_name, { before = {}, live = {}, after }) => {
  const cluster = await installed(before, { replicas: 2, ...live });
  const { stderr } = await upgrade({ values: merged(BASE, after) }, cluster);
  expect(stderr).toBe("");
});

test("a workload that is kept may be left behind", async () => {
  const [node] = await installed();
  const annotations = { "helm.sh/resource-policy": "keep" };
  const kept = { ...node, metadata: { ...node?.metadata, annotations } } as KubeObject;
  const { stderr } = await upgrade({ values: merged(BASE, { kind: "StatefulSet" }) }, [kept]);
  expect(stderr).toBe("");
});

/** As `kubectl annotate ... helm.sh/resource-policy=keep NAME=true` leaves it. */
function kept(object: KubeObject | undefined, name: string): KubeObject {
  const annotations = {
    ...(object?.metadata.annotations as Values | undefined),
    "helm.sh/resource-policy": "keep",
    [name]: "true",
  };
  return { ...object, metadata: { ...object?.metadata, annotations } } as KubeObject;
}

const ADOPT = "holdfast.dev/adopt";
const HAND_OVER = "holdfast.dev/hand-over";

describe("from a Deployment to a RealtimeSet", () => {
  const READY: Values = { operator: { keySecret: { name: "rt-operator" } } };

  test("the pods know the operator first", async () => {
    const [node] = await installed();
    const { ok, stderr } = await upgrade({ values: merged(BASE, OPERATED) }, [kept(node, ADOPT)]);
    expect([ok, stderr]).toEqual([
      false,
      expect.stringContaining("the pods of deployment rt-holdfast do not know the operator yet"),
    ]);
  });

  test("the Deployment is kept, and the pods' template is the same: nothing is rolled", async () => {
    const [node] = await installed(READY, { replicas: 5 });
    const values = merged(BASE, OPERATED);
    for (const notYet of [node as KubeObject, kept(node, "another")])
      expect((await upgrade({ values }, [notYet])).stderr).toContain(
        "kubectl -n realtime annotate deployment/rt-holdfast helm.sh/resource-policy=keep holdfast.dev/adopt=true; then upgrade",
      );
    const { stderr, stdout } = await upgrade({ values }, [kept(node, ADOPT)]);
    expect(stderr).toBe("");
    const set = parse(stdout).find(({ kind }) => kind === "RealtimeSet");
    expect(set?.spec?.template).toEqual(node?.spec?.template);
    expect(set?.spec?.selector).toEqual(node?.spec?.selector);
  });

  test("an autoscaler begins with as many pods, and the operator's own loop needs no number", async () => {
    const [node] = await installed(READY, { replicas: 9 });
    const number = async (mode: string) => {
      const values = merged(OPERATED, scaledBy(mode));
      return (await workloadAfter(values, [kept(node, ADOPT)])).spec?.replicas;
    };
    expect(await number("keda")).toBe(9);
    expect(await number("operator")).toBeUndefined();
  });

  test("the configuration of the pods that are taken over stays", async () => {
    const all = await objects({ values: merged(BASE, READY) });
    const before = all.find(({ kind }) => kind === "ConfigMap");
    const [node] = await installed(READY);
    const values = merged(BASE, merged(OPERATED, { config: { limits: { subscriptionsMax: 3 } } }));
    const { stdout } = await upgrade({ values }, [kept(node, ADOPT), before as KubeObject]);
    expect(parse(stdout)).toContainEqual(before as KubeObject);
  });
});

describe("from a RealtimeSet", () => {
  test.each(["Deployment", "StatefulSet"])("to a %s the pods are let go first", async (kind) => {
    const [set] = await installed(OPERATED, { replicas: 4 });
    const values = merged(BASE, { kind });
    for (const notYet of [set as KubeObject, kept(set, "another")]) {
      const { ok, stderr } = await upgrade({ values }, [notYet]);
      expect([ok, stderr]).toEqual([
        false,
        expect.stringContaining(
          "annotate realtimeset/rt-holdfast helm.sh/resource-policy=keep holdfast.dev/hand-over=true; then upgrade",
        ),
      ]);
    }
    const { stderr } = await upgrade({ values }, [kept(set, HAND_OVER)]);
    expect(stderr).toBe("");
  });

  test.each(MODES)(
    "no manifest sets the number that %s writes, the first one neither",
    async (mode) => {
      // Who renders without a cluster, as Argo CD does, has a first manifest at each sync.
      const all = await objects({ values: merged(BASE, merged(OPERATED, scaledBy(mode))) });
      const first = all.find(({ kind }) => kind === "RealtimeSet");
      expect([first?.kind, first?.spec?.replicas]).toEqual(["RealtimeSet", undefined]);
      const live = await installed(merged(OPERATED, scaledBy(mode)), {
        replicas: 7,
        applied: ["selector"],
      });
      const after = await workloadAfter(merged(OPERATED, scaledBy(mode)), live);
      expect(after.spec?.replicas).toBeUndefined();
    },
  );

  test("to itself any number of pods is taken: the operator goes one by one", async () => {
    const cluster = await installed(OPERATED, { replicas: 40 });
    const after = await workloadAfter(merged(OPERATED, { replicas: 2 }), cluster);
    expect(after.spec?.replicas).toBe(2);
  });

  test("its budget is the operator's, and Services select who receives", async () => {
    const all = await objects({ values: merged(BASE, merged(OPERATED, LOAD_BALANCER)) });
    expect(all.map(({ kind }) => kind)).not.toContain("PodDisruptionBudget");
    const selected = Object.fromEntries(
      all
        .filter(({ kind }) => kind === "Service")
        .map(({ metadata, spec }) => [
          metadata.name,
          Object(spec?.selector)["holdfast.dev/receives"],
        ]),
    );
    expect(selected).toEqual({
      "rt-holdfast": "true",
      "rt-holdfast-public": "true",
      "rt-holdfast-nodes": undefined,
    });
  });
});

describe("the configuration", () => {
  const NEW: Values = { config: { limits: { subscriptionsMax: 300 } } };
  const maps = (all: readonly KubeObject[]) => all.filter(({ kind }) => kind === "ConfigMap");
  const mounted = (node: KubeObject): unknown => {
    const volumes = podOf(node)?.volumes ?? [];
    return (volumes.find(({ name }) => name === "config") as Mounted | undefined)?.configMap.name;
  };

  test("of the pods that run stays beside a new one, and pods name the new one", async () => {
    const before = maps(await objects({ values: BASE }));
    const cluster = [...(await installed({}, { replicas: 2 })), ...before];
    const { stdout } = await upgrade({ values: merged(BASE, NEW) }, cluster);
    const after = maps(parse(stdout));
    expect(after).toHaveLength(2);
    expect(after).toContainEqual(before[0] as KubeObject);
    const [added] = after.filter(({ metadata }) => metadata.name !== before[0]?.metadata.name);
    expect(added?.data?.["holdfast.yaml"]).toContain("subscriptionsMax: 300");
    const [node] = parse(stdout).filter(({ kind }) => kind === "Deployment");
    expect(mounted(node as KubeObject)).toBe(added?.metadata.name);
  });

  test("is one object if nothing changed, also for the next upgrade", async () => {
    const before = maps(await objects({ values: BASE }));
    const cluster = [...(await installed({}, { replicas: 2 })), ...before];
    const { stdout } = await upgrade({ values: BASE }, cluster);
    expect(maps(parse(stdout))).toEqual([...before]);
  });

  test("of an older chart, which changed it in place, stays as well", async () => {
    const [node] = await installed({}, { replicas: 2 });
    const [map] = maps(await objects({ values: BASE }));
    const name = "rt-holdfast";
    const text = JSON.stringify(node).replaceAll(map?.metadata.name ?? "", name);
    const { immutable: _immutable, ...rest } = map as KubeObject & Values;
    const old = { ...rest, metadata: { name } } as KubeObject;
    const { stdout } = await upgrade({ values: BASE }, [JSON.parse(text), old]);
    const kept = maps(parse(stdout)).find(({ metadata }) => metadata.name === name);
    expect(kept?.data).toEqual(map?.data);
    expect(kept).not.toHaveProperty("immutable");
  });

  test("does not depend on the chart's version: that alone restarts nothing", async () => {
    const [node] = await installed();
    expect(JSON.stringify(node?.spec?.template)).not.toContain("holdfast-0.1.0");
    const [map] = maps(await objects({ values: merged(BASE, { labels: { team: "a" } }) }));
    expect(map?.metadata.name).toBe(maps(await objects({ values: BASE }))[0]?.metadata.name);
  });
});

interface Mounted {
  readonly configMap: { readonly name: string };
}

describe("the trial Valkey", () => {
  let cluster: readonly KubeObject[] = [];
  const pod = (url: string): KubeObject => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "old" },
    spec: { containers: [{ env: [{ name: "HOLDFAST_BROKER_URL", value: url }] }] },
  });
  const user = pod("redis://:$(VALKEY_PASSWORD)@rt-holdfast-valkey:6379/0");
  const leave = (more: Values = {}): Values =>
    merged(merged(BASE, { acknowledge: ["broker"] }), more);

  beforeAll(async () => {
    cluster = await installed(VALKEY, { replicas: 2 });
  });

  test("is not deleted under pods that use it", async () => {
    const { ok, stderr } = await upgrade({ values: leave() }, [...cluster, user, user]);
    expect([ok, stderr]).toEqual([
      false,
      expect.stringContaining("and 2 pods use it: their publishes would fail"),
    ]);
    expect(stderr).toContain("broker.valkey.keep: true now");
  });

  test("is kept beside another broker, as it was, and old pods may reach it", async () => {
    const values = leave({
      broker: { valkey: { keep: true, existingSecret: { name: "holdfast" } } },
    });
    const { stdout } = await upgrade({ values }, [...cluster, user]);
    const after = parse(stdout);
    const before = await objects({ values: merged(BASE, VALKEY) });
    const named = (all: readonly KubeObject[]) =>
      all.filter(({ metadata }) => metadata.name === "rt-holdfast-valkey");
    expect(named(after)).toEqual(named(before));
    expect(named(after)).toHaveLength(3);
    const policy = after.find(
      ({ kind, metadata }) => kind === "NetworkPolicy" && metadata.name === "rt-holdfast",
    );
    expect(JSON.stringify(policy?.spec?.egress)).toContain(
      '"app.kubernetes.io/component":"valkey"',
    );
  });

  test("goes when no pod uses it", async () => {
    const { stderr, stdout } = await upgrade({ values: leave() }, [
      ...cluster,
      pod("redis://redis.data:6379/0"),
    ]);
    expect(stderr).toBe("");
    expect(stdout).not.toContain("rt-holdfast-valkey");
  });

  test("is not restarted by a new version of the chart", async () => {
    const [valkey] = cluster.filter(({ metadata }) => metadata.name === "rt-holdfast-valkey");
    expect(JSON.stringify(valkey?.spec?.template)).not.toMatch(
      /helm\.sh\/chart|kubernetes\.io\/version/,
    );
  });
});
