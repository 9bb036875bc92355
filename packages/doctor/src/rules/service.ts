// Owns: rules of Services and of other things that direct traffic to pods: affinity, distribution,
// protocols, selectors, NetworkPolicies, IPVS.

import type { KubeObject } from "@holdfast/kube";
import { at, isRecord, list, number, record, selects, text } from "@holdfast/kube";
import type { ClientPath } from "../client-path.ts";
import { type ClusterSnapshot, sameNamespace } from "../cluster-snapshot.ts";
import { type Finding, finding } from "../finding.ts";
import { patchAt, patchOf } from "../patches.ts";
import { clientServices, servedPorts, type Workload } from "../workload.ts";

export function serviceRules(
  clientPath: ClientPath,
  snapshot: ClusterSnapshot,
): readonly Finding[] {
  const { workload } = clientPath;
  const services = clientServices(workload);
  return [
    ...services.flatMap((service) => [
      ...affinity(service),
      ...distribution(service),
      ...selector(service),
    ]),
    ...(clientPath.routes.length > 0 ? services.flatMap(protocol) : []),
    ...networkPolicies(workload, snapshot),
  ];
}

function affinity(service: KubeObject): readonly Finding[] {
  if (text(at(service.body, "spec", "sessionAffinity")) !== "ClientIP") return [];
  const held =
    number(at(service.body, "spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds")) ??
    10_800;
  return [
    finding("session-affinity", {
      object: service,
      path: ["spec", "sessionAffinity"],
      found: `sessionAffinity is ClientIP, held for ${held} s`,
      fix: "Set it to None: a WebSocket stays on its pod by itself, and sessions resume on any node.",
      patch: patchOf(service, {
        spec: {
          sessionAffinity: "None",
          ...(at(service.body, "spec", "sessionAffinityConfig") === undefined
            ? {}
            : { sessionAffinityConfig: null }),
        },
      }),
    }),
  ];
}

function distribution(service: KubeObject): readonly Finding[] {
  const found = text(at(service.body, "spec", "trafficDistribution"));
  if (found === undefined) return [];
  return [
    finding("traffic-distribution", {
      object: service,
      path: ["spec", "trafficDistribution"],
      found: `trafficDistribution is ${found}`,
      fix: "Leave it out, unless each zone has the same share of clients as of pods.",
      patch: patchAt(service, ["spec", "trafficDistribution"], null),
    }),
  ];
}

const SWITCHED = [
  "version",
  "color",
  "colour",
  "slot",
  "release-color",
  "track",
  "deployment",
  "rollouts-pod-template-hash",
];

/** If a selector has a label that changes with each release, somebody switches it. */
function selector(service: KubeObject): readonly Finding[] {
  const labels = record(at(service.body, "spec", "selector"));
  const switched = SWITCHED.filter((label) => Object.hasOwn(labels, label));
  const [label] = switched;
  if (label === undefined) return [];
  return [
    finding("selector-switch", {
      object: service,
      path: ["spec", "selector", label],
      found: `the selector has ${label}: ${text(labels[label])}`,
      fix: "Select labels that stay from release to release, and move clients by draining pods.",
      patch: patchOf(service, {
        spec: { selector: Object.fromEntries(switched.map((name) => [name, null])) },
      }),
    }),
  ];
}

function protocol(service: KubeObject): readonly Finding[] {
  const ports = list(at(service.body, "spec", "ports"));
  const index = ports.findIndex(
    (port) =>
      at(port, "appProtocol") === undefined &&
      !/metrics|internal|admin|health/.test(text(at(port, "name")) ?? ""),
  );
  if (index < 0) return [];
  const port = record(ports[index]);
  return [
    finding("app-protocol", {
      object: service,
      path: ["spec", "ports", index],
      found: `port ${text(port.port)} has no appProtocol`,
      fix: "Set it to kubernetes.io/ws (Envoy Gateway understands it from 1.8.1 on).",
      patch: patchOf(service, {
        spec: {
          ports: [
            {
              port: port.port,
              ...(port.protocol === undefined ? {} : { protocol: port.protocol }),
              appProtocol: "kubernetes.io/ws",
            },
          ],
        },
      }),
    }),
  ];
}

/**
 * Ingress policies add up: a port is open if a policy that selects the pod allows some peer, or if
 * no policy selects the pod.
 */
function networkPolicies(workload: Workload, snapshot: ClusterSnapshot): readonly Finding[] {
  const policies = snapshot.all("NetworkPolicy", "networking.k8s.io").filter((policy) => {
    const types = list(at(policy.body, "spec", "policyTypes")).map(text);
    return (
      (types.length === 0 || types.includes("Ingress")) &&
      sameNamespace(policy.namespace, workload.object.namespace) &&
      selects(at(policy.body, "spec", "podSelector"), workload.podLabels)
    );
  });
  const [policy] = policies;
  if (policy === undefined) return [];
  const closed = servedPorts(workload).filter(
    (port) =>
      !policies.some((one) =>
        list(at(one.body, "spec", "ingress")).some((rule) => opens(rule, port, workload)),
      ),
  );
  const [port] = closed;
  if (port === undefined) return [];
  const ingress = list(at(policy.body, "spec", "ingress"));
  return [
    finding("netpol-blocks", {
      object: policy,
      path: ["spec", "ingress"],
      found: `no rule of ${policies.map(({ name }) => name).join(", ")} opens port ${closed.join(", ")} of the pods`,
      fix: "Allow the gateway's pods (or everybody) to reach it.",
      patch: patchOf(policy, {
        spec: {
          ingress: [...ingress, { ports: closed.map((one) => ({ protocol: "TCP", port: one })) }],
        },
      }),
    }),
  ];
}

function opens(rule: unknown, port: number, workload: Workload): boolean {
  const ports = list(at(rule, "ports"));
  return (
    isRecord(rule) &&
    (ports.length === 0 ||
      ports.some((one) => {
        const wanted = at(one, "port");
        const last = number(at(one, "endPort"));
        const direct = number(wanted);
        if (wanted === undefined) return true;
        if (direct !== undefined)
          return last === undefined ? direct === port : direct <= port && port <= last;
        return workload.containers.some(({ body }) =>
          list(body.ports).some(
            (named) =>
              text(at(named, "name")) === text(wanted) &&
              number(at(named, "containerPort")) === port,
          ),
        );
      }))
  );
}

/** kube-proxy's mode, if its ConfigMap was read. */
export function ipvsRule(snapshot: ClusterSnapshot): readonly Finding[] {
  return snapshot.all("ConfigMap", "").flatMap((map) => {
    const config = Object.values(record(at(map.body, "data"))).find((value) =>
      /^kind: KubeProxyConfiguration$/m.test(text(value) ?? ""),
    );
    if (!/^mode: "?ipvs"?$/m.test(text(config) ?? "")) return [];
    return [
      finding("ipvs-mode", {
        object: map,
        path: ["data"],
        found: "mode is ipvs",
        fix: "Never remove a pod from its Service before its connections have ended, and let clients ping; iptables and nftables keep such connections.",
      }),
    ];
  });
}
