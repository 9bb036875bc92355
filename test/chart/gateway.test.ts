// Checks the gateway's chart: what it renders is what its golden files say (UPDATE_GOLDEN=1 writes
// them) and fits the schemas, its pods are as strict as those of nodes, and it has no right but the
// one to see which pods a route's Service has.
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { loadConfig, optionRows } from "@holdfast/config";
import { diagnose, findingsOf } from "@holdfast/doctor";
import { GATEWAY_OPTIONS } from "@holdfast/gateway/options";
import { readManifests } from "@holdfast/kube";
import { NODE_OPTIONS } from "@holdfast/server/options";
import { parse as parseYaml } from "yaml";
import { patience } from "../patience.ts";
import { judgeForms } from "./forms.ts";
import { GAME, GATEWAY_CASES, OLD } from "./gateway-cases.ts";
import { differenceText, fullText } from "./golden.ts";
import {
  conformity,
  GATEWAY_CHART,
  type KubeObject,
  lint,
  objects,
  template,
  type Values,
} from "./helm.ts";
import { POLICIES, podOf } from "./policy.ts";
import { judge } from "./rules.ts";

setDefaultTimeout(patience(60_000));

const GOLDEN = fileURLToPath(new URL("golden-gateway/", import.meta.url));
const UPDATE = process.env.UPDATE_GOLDEN === "1";

const rendered = new Map<string, readonly KubeObject[]>();
const of = (name: string): readonly KubeObject[] => rendered.get(name) ?? [];
const kind = (name: string, wanted: string): readonly KubeObject[] =>
  of(name).filter((object) => object.kind === wanted);
const deployment = (name: string): KubeObject => kind(name, "Deployment")[0] as KubeObject;

beforeAll(async () => {
  for (const [name, values] of Object.entries(GATEWAY_CASES))
    rendered.set(name, await objects({ values }, GATEWAY_CHART));
});

test.each(Object.keys(GATEWAY_CASES))("%s is what its golden file says", async (name) => {
  const text =
    name === "base"
      ? fullText(of(name))
      : `# what differs from base\n${differenceText(of("base"), of(name))}`;
  const file = Bun.file(`${GOLDEN}${name}.${name === "base" ? "yaml" : "txt"}`);
  if (UPDATE) await Bun.write(file, text);
  expect(text).toBe(await file.text());
});

test("there is no golden file without its case", () => {
  const names = readdirSync(GOLDEN).map((file) => file.replace(/\.(yaml|txt)$/, ""));
  expect(names.toSorted()).toEqual(Object.keys(GATEWAY_CASES).toSorted());
});

test("every object fits the schema of its kind, its rules and its forms", async () => {
  const all = [...rendered.values()].flat();
  const { invalid, skipped, valid } = await conformity(all);
  expect([invalid, skipped]).toEqual([[], []]);
  expect(valid.length).toBeGreaterThan(50);
  for (const object of all) {
    expect((await judge(object)).broken).toEqual([]);
    expect(judgeForms(object).broken).toEqual([]);
  }
});

test("helm lint is content", async () => {
  const { ok, stdout } = await lint({ values: GATEWAY_CASES.base ?? {} }, GATEWAY_CHART);
  expect([ok, stdout]).toEqual([true, expect.stringContaining("0 chart(s) failed")]);
});

/** Gateways with routes of Kubernetes have a token and a right: below it says which. */
const OTHER_THAN_NODES = [
  "no token of a service account is mounted, and no variables of services",
  "the chart makes no secrets, and grants the operator one at most",
  "everything is labelled and in the release's namespace",
];

test.each(Object.entries(POLICIES).filter(([name]) => !OTHER_THAN_NODES.includes(name)))(
  "%s",
  (_name, policy) => {
    const broken = [...rendered.values()].flatMap((all) =>
      all.flatMap((object) => policy(object, all)),
    );
    expect(broken).toEqual([]);
  },
);

describe("rights", () => {
  const account = (name: string) =>
    podOf(deployment(name)) as { readonly serviceAccountName?: string };

  test("are to list and watch EndpointSlices, in the namespaces of the routes alone", () => {
    const roles = kind("two-namespaces", "Role");
    expect(roles.map(({ metadata }) => metadata.namespace)).toEqual(["chat", "realtime"]);
    for (const role of roles)
      expect((role as unknown as Values).rules).toEqual([
        {
          ...{ apiGroups: ["discovery.k8s.io"], resources: ["endpointslices"] },
          verbs: ["list", "watch"],
        },
      ]);
    const bindings = kind("two-namespaces", "RoleBinding") as unknown as readonly Values[];
    expect(bindings).toHaveLength(2);
    for (const { subjects } of bindings)
      expect(subjects).toEqual([
        ...[{ kind: "ServiceAccount", name: "rt-gateway", namespace: "realtime" }],
      ]);
    for (const all of rendered.values())
      expect(all.filter((object) => object.kind.startsWith("ClusterRole"))).toEqual([]);
  });

  test("are none, and there is no token, if no route is of Kubernetes", () => {
    expect(kind("outside-of-kubernetes", "Role")).toEqual([]);
    expect(podOf(deployment("outside-of-kubernetes"))?.automountServiceAccountToken).toBe(false);
    expect(podOf(deployment("base"))?.automountServiceAccountToken).toBe(true);
  });

  test("may be given by somebody else, to an account that the values name", () => {
    expect(kind("everything-off", "Role")).toEqual([]);
    expect(account("everything").serviceAccountName).toBe("edge-account");
  });
});

describe("the configuration", () => {
  const file = (name: string): string =>
    kind(name, "ConfigMap").find(({ metadata }) => metadata.name === "rt-gateway")?.data?.[
      "gateway.yaml"
    ] ?? "";

  test.each(Object.keys(GATEWAY_CASES))("of %s is one that a gateway takes", (name) => {
    const env = Object.fromEntries(
      (podOf(deployment(name))?.containers[0]?.env ?? []).map((one) => [one.name, one.value]),
    );
    const loaded = loadConfig(GATEWAY_OPTIONS, { env, file: "gateway.yaml", text: file(name) });
    expect(loaded).toMatchObject({ ok: true });
  });

  test("has the namespace of each Service, the release's if none is named", () => {
    const { routes } = parseYaml(file("two-namespaces"));
    expect(routes.map((route: typeof GAME) => Object(route.service.kubernetes).namespace)).toEqual([
      ...["realtime", "chat"],
    ]);
  });

  test("changes of routes replace no pod; what is read at the start alone does", async () => {
    const templateOf = async (values: Values) =>
      JSON.stringify(
        (await objects({ values: { ...GATEWAY_CASES.base, ...values } }, GATEWAY_CHART)).find(
          (object) => object.kind === "Deployment",
        )?.spec,
      );
    const before = await templateOf({});
    const [other, live, fixed] = await Promise.all([
      templateOf({ routes: [GAME, OLD] }),
      templateOf({ config: { limits: { waitingBytesMax: 1024 } } }),
      templateOf({ config: { limits: { messageBytesMax: 1024 } } }),
    ]);
    expect(other).toBe(before);
    expect(live).toBe(before);
    expect(fixed).not.toBe(before);
  });

  test("replaces pods for every option that a gateway does not take while it runs", async () => {
    const names = await Bun.file(`${GATEWAY_CHART}/templates/_names.tpl`).text();
    const fixed = /define "gateway\.fixed"[\s\S]*?end \}\}\n\n/.exec(names)?.[0] ?? "";
    const derived = Object.keys(
      parseYaml(/"gateway\.derivedOptions" -\}\}\n([\s\S]*?)\{\{- end/.exec(names)?.[1] ?? ""),
    );
    const missing = optionRows(GATEWAY_OPTIONS)
      .filter(({ option }) => !option.live)
      .map(({ name }) => name)
      .filter((name) => !derived.some((one) => name === one || name.startsWith(`${one}.`)))
      .filter((name) => !fixed.includes(`"${name.split(".").at(-1)}"`) && !/^log\./.test(name));
    expect(missing).toEqual([]);
  });
});

test("the network policy lets pass what the routes need, and no more", () => {
  const egress = (name: string) => JSON.stringify(kind(name, "NetworkPolicy")[0]?.spec?.egress);
  expect(egress("base")).toContain('"kubernetes.io/metadata.name":"realtime"');
  expect(egress("base")).toContain('{"port":8080,"protocol":"TCP"}');
  expect(egress("outside-of-kubernetes")).not.toContain("6443");
  for (const port of [7000, 7001, 9000])
    expect(egress("outside-of-kubernetes")).toContain(`{"port":${port},"protocol":"TCP"}`);
});

test.each<[Values, string]>([
  [{ routes: [] }, "routes"],
  [{ route: [GAME] }, "route"],
  [{ routes: [{ name: "game" }] }, "service"],
  [{ routes: [{ ...GAME, service: { kubernetes: { name: "Game" } } }] }, "name"],
  [{ routes: [{ ...GAME, service: { static: ["a:1"], dns: { name: "b" } } }] }, "service"],
  [{ config: { drain: { windowMs: 1 } } }, "config.drain is set by the chart"],
  [{ config: { limits: { clientsMax: 1 } } }, "use clients.perPod"],
  [{ drain: { graceSeconds: 20 } }, "is shorter than the drain"],
  [{ image: { tag: "latest" } }, "image.tag latest cannot be rolled back"],
  [{ autoscaling: { mode: "keda" } }, "serverAddress"],
  [{ autoscaling: { minReplicas: 5, maxReplicas: 3 } }, "minReplicas is greater"],
])("%j is refused", async (values, says) => {
  const { ok, stderr } = await template(
    { values: { ...GATEWAY_CASES.base, ...values } },
    GATEWAY_CHART,
  );
  expect([ok, stderr]).toEqual([false, expect.stringContaining(says)]);
});

test.each([
  [{ nameOverride: "edge" }, "edge"],
  [{ nameOverride: "" }, "rt-gateway"],
])("with %j everything is named %s", async (values, name) => {
  const all = await objects({ values: { ...GATEWAY_CASES.base, ...values } }, GATEWAY_CHART);
  for (const { metadata } of all) expect(metadata.name).toMatch(new RegExp(`^(realtime-)?${name}`));
});

test("alerts and the dashboard are those of gateways, and lead to where the run books are", () => {
  const [rule] = kind("everything", "PrometheusRule");
  const groups = (rule?.spec?.groups ?? []) as readonly { readonly name: string }[];
  expect(groups.map(({ name }) => name)).toEqual(["holdfast-gateway"]);
  const rules = JSON.stringify(groups);
  const leads = [...rules.matchAll(/"runbook_url":"([^"]*)"/g)].map(([, url = ""]) => url);
  expect(leads.length).toBeGreaterThan(5);
  for (const url of leads) expect(url).toStartWith("https://git.example.com/alerts/gateway-");
  const [map] = kind("everything", "ConfigMap").filter(
    ({ data }) => data?.["gateway.yaml"] === undefined,
  );
  expect(JSON.parse(map?.data?.["holdfast-gateway.json"] ?? "").uid).toBe("holdfast-gateway");
});

test("the doctor has nothing against it, and knows its figures", () => {
  const text = of("base")
    .map((object) => JSON.stringify(object))
    .join("\n---\n");
  const options = { nodeOptions: NODE_OPTIONS };
  const diagnosis = diagnose(readManifests(text, "base.yaml").objects, options);
  expect(findingsOf(diagnosis).map(({ id, found }) => `${id}: ${found}`)).toEqual([]);
  expect(diagnosis.workloads[0]?.clientPath.load).toMatchObject({
    ...{ connections: 10_000, pingSeconds: 44, graceSeconds: 90 },
    gateway: { routes: [{ name: "game", profile: "stateless", service: "game", port: 8080 }] },
  });
});

test("helm test asks for a socket of each route, at its host", () => {
  const pods = kind("two-namespaces", "Pod");
  expect(pods.map((pod) => podOf(pod)?.containers[0]?.args)).toEqual([
    ["probe", "--plain", "--url=ws://rt-gateway:80/ws", "--host=game.example.com"],
    ["probe", "--plain", "--url=ws://rt-gateway:80/"],
  ]);
  expect(kind("everything", "Pod").map(({ metadata }) => metadata.name)).toEqual([
    "rt-gateway-test-1",
  ]);
});

test("the chart's version of the application is the command's", async () => {
  const path = fileURLToPath(new URL("../../apps/holdfast/package.json", import.meta.url));
  const { version } = await Bun.file(path).json();
  expect(await Bun.file(`${GATEWAY_CHART}/Chart.yaml`).text()).toContain(
    `appVersion: "${version}"`,
  );
});
