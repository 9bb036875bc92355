// Checks the operator's chart: what it renders fits the schemas, its pods are as strict as those
// of nodes, and it has the rights that the document gives a reason for, and no others.
import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { patience } from "../patience.ts";
import { BASE, merged, OPERATED } from "./cases.ts";
import { judgeForms } from "./forms.ts";
import {
  conformity,
  type KubeObject,
  lint,
  OPERATOR_CHART,
  objects,
  template,
  type Values,
} from "./helm.ts";
import { POLICIES, podOf } from "./policy.ts";
import { judge } from "./rules.ts";

setDefaultTimeout(patience(60_000));

const CASES: Readonly<Record<string, Values>> = {
  base: {},
  "two namespaces": { namespaces: ["shop", "chat"] },
  everything: {
    namespaces: ["shop"],
    replicas: 3,
    image: { digest: `sha256:${"0".repeat(64)}`, pullSecrets: ["registry"] },
    podMonitor: { enabled: true, labels: { release: "prometheus" } },
    scheduling: { priorityClassName: "high", nodeSelector: { disk: "ssd" } },
    serviceAccount: { name: "op", annotations: { a: "b" } },
    networkPolicy: { monitoring: [{ podSelector: {} }], dataPlanePorts: [8000, 8443] },
    labels: { team: "realtime" },
    scaler: { enabled: true, port: 9333, tls: { secretName: "scaler-tls" } },
  },
  "a scaler": { scaler: { enabled: true } },
  "everything off": {
    replicas: 1,
    adoption: false,
    crds: { install: false },
    networkPolicy: { enabled: false },
  },
};
const rendered = new Map<string, readonly KubeObject[]>();
const of = (name: string): readonly KubeObject[] => rendered.get(name) ?? [];

beforeAll(async () => {
  for (const [name, values] of Object.entries(CASES))
    rendered.set(name, await objects({ values }, OPERATOR_CHART));
});

test("every object fits the schema of its kind, its rules and its forms", async () => {
  const all = [...rendered.values()].flat();
  const { invalid, skipped, valid } = await conformity(all);
  expect([invalid, skipped]).toEqual([[], []]);
  expect(valid.length).toBeGreaterThan(30);
  for (const object of all) {
    expect((await judge(object)).broken).toEqual([]);
    // A schema in a schema: its names are no values.
    if (object.kind !== "CustomResourceDefinition") expect(judgeForms(object).broken).toEqual([]);
  }
});

test("helm lint is content", async () => {
  const { ok, stdout } = await lint({ values: {} }, OPERATOR_CHART);
  expect([ok, stdout]).toEqual([true, expect.stringContaining("0 chart(s) failed")]);
});

/** An operator speaks to the API server, and it has rights: both policies are about nodes. */
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

test("the policies that are left out exist", () => {
  for (const name of OTHER_THAN_NODES) expect(Object.keys(POLICIES)).toContain(name);
});

describe("the external scaler", () => {
  const deployment = (name: string) =>
    JSON.stringify(of(name).find(({ kind }) => kind === "Deployment"));
  const ingress = (name: string) =>
    JSON.stringify(of(name).find(({ kind }) => kind === "NetworkPolicy")?.spec);

  test("is off, and nothing leads to it", () => {
    for (const name of ["base", "two namespaces", "everything off"]) {
      expect(of(name).filter(({ kind }) => kind === "Service")).toEqual([]);
      expect(JSON.stringify(of(name))).not.toContain("HOLDFAST_OPERATOR_SCALER");
      expect(JSON.stringify(of(name))).not.toContain('"port":"scaler"');
    }
  });

  test("is reached by its Service, from KEDA's namespace alone", () => {
    const [service] = of("a scaler").filter(({ kind }) => kind === "Service");
    expect(service?.metadata.name).toBe("holdfast-operator-scaler");
    expect(service?.spec).toMatchObject({ ports: [{ port: 9901, targetPort: "scaler" }] });
    expect(deployment("a scaler")).toContain('"HOLDFAST_OPERATOR_SCALER_PORT","value":"9901"');
    expect(deployment("a scaler")).not.toContain("CERT_FILE");
    expect(ingress("a scaler")).toContain('"kubernetes.io/metadata.name":"keda"');
  });

  test("has its certificate from a Secret that may be renewed", () => {
    const rendered = deployment("everything");
    expect(rendered).toContain('"secretName":"scaler-tls"');
    expect(rendered).toContain('"/etc/holdfast/scaler/tls.crt"');
    expect(rendered).toContain('"containerPort":9333');
    expect(rendered).not.toContain("subPath");
  });
});

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

function rulesOf(all: readonly KubeObject[], kind: string): readonly Rule[] {
  return all
    .filter((object) => object.kind === kind)
    .flatMap((object) => (object as unknown as { readonly rules: readonly Rule[] }).rules);
}

/** `pods: get list`, one for each resource, names and verbs sorted. */
const grants = (rules: readonly Rule[]): readonly string[] =>
  rules
    .flatMap(({ resources, verbs }) =>
      resources.map((resource) => `${resource}: ${verbs.toSorted().join(" ")}`),
    )
    .toSorted();

describe("rights", () => {
  test("are never on secrets, and never on everything", () => {
    for (const all of rendered.values()) {
      for (const rule of [...rulesOf(all, "ClusterRole"), ...rulesOf(all, "Role")]) {
        expect(rule.resources).not.toContain("secrets");
        expect(rule.resources).not.toContain("services");
        for (const part of [rule.apiGroups, rule.resources, rule.verbs])
          expect(part).not.toContain("*");
      }
    }
  });

  test("in the cluster are machines and CRDs alone, if namespaces are named", () => {
    const all = of("two namespaces");
    expect(grants(rulesOf(all, "ClusterRole"))).toEqual([
      "customresourcedefinitions: get",
      "nodes: get list watch",
    ]);
    const roles = all.filter(
      ({ kind, metadata }) => kind === "Role" && metadata.namespace !== "realtime",
    );
    expect(roles.map(({ metadata }) => metadata.namespace).toSorted()).toEqual(["chat", "shop"]);
    const inAll = new Set(grants(rulesOf(of("base"), "ClusterRole")));
    for (const grant of grants(rulesOf(roles.slice(0, 1), "Role"))) expect(inAll).toContain(grant);
  });

  test("on Deployments go if it adopts none", () => {
    expect(grants(rulesOf(of("base"), "ClusterRole")).join()).toContain("deployments: delete get");
    expect(JSON.stringify(of("everything off"))).not.toContain('"deployments"');
  });

  test("are those of the document, both ways, each with its reason", async () => {
    const page = new URL("../../docs/operations/operator.md", import.meta.url);
    const rows = [
      ...(await Bun.file(page).text()).matchAll(/^\| `([^|]+)` \| ([^|]+) \| (.{10,}) \|$/gm),
    ];
    const told = rows.flatMap(([, resources = "", verbs = ""]) =>
      resources
        .split("`, `")
        .map((resource) => `${resource}: ${verbs.trim().split(", ").toSorted().join(" ")}`),
    );
    const all = of("base");
    const given = [...rulesOf(all, "ClusterRole"), ...rulesOf(all, "Role")];
    expect([...new Set(told)].toSorted()).toEqual([...new Set(grants(given))].toSorted());
  });

  test("have a reason above them in the template", async () => {
    for (const name of ["_names.tpl", "rbac.yaml"]) {
      const lines = (await Bun.file(`${OPERATOR_CHART}/templates/${name}`).text()).split("\n");
      lines.forEach((line, at) => {
        if (!/^\s*- apiGroups:/.test(line)) return;
        const before = lines[at - 1] ?? "";
        const isSame = /^\s*verbs:/.test(before) && lines[at - 2]?.includes("leases");
        expect([name, at, isSame || before.trim().startsWith("#")]).toEqual([name, at, true]);
      });
    }
  });
});

test("CRDs are those of the folder, kept when the release goes, and may be left to others", async () => {
  const crds = of("base").filter(({ kind }) => kind === "CustomResourceDefinition");
  expect(crds).toHaveLength(2);
  for (const crd of crds)
    expect(crd.metadata.annotations).toEqual({ "helm.sh/resource-policy": "keep" });
  expect(JSON.stringify(of("everything off"))).not.toContain("CustomResourceDefinition");
  // Helm would install a folder of that name once, and never upgrade it.
  expect(readdirSync(OPERATOR_CHART)).not.toContain("crds");
});

test("its account is the one that the nodes' chart grants a key to", async () => {
  const granted = await objects({ values: merged(BASE, OPERATED) });
  expect(granted.find(({ kind }) => kind === "RoleBinding")).toMatchObject({
    subjects: [{ kind: "ServiceAccount", name: "holdfast-operator", namespace: "holdfast-system" }],
  });
  const account = of("base").find(({ kind }) => kind === "ServiceAccount");
  expect(account?.metadata.name).toBe("holdfast-operator");
  expect(podOf(of("base").find(({ kind }) => kind === "Deployment") as KubeObject)).toMatchObject({
    serviceAccountName: "holdfast-operator",
    automountServiceAccountToken: true,
    enableServiceLinks: false,
  });
});

test.each([
  [{ replica: 2 }, "replica"],
  [{ namespaces: ["Shop"] }, "namespaces"],
  [{ image: { tag: "latest" } }, "image.tag latest cannot be rolled back"],
])("%j is refused", async (values, says) => {
  const { ok, stderr } = await template({ values }, OPERATOR_CHART);
  expect([ok, stderr]).toEqual([false, expect.stringContaining(says)]);
});

test("the chart's version of the application is the command's", async () => {
  const path = fileURLToPath(new URL("../../apps/holdfast/package.json", import.meta.url));
  const { version } = await Bun.file(path).json();
  expect(await Bun.file(`${OPERATOR_CHART}/Chart.yaml`).text()).toContain(
    `appVersion: "${version}"`,
  );
});
