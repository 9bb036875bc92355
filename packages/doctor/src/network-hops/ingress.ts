// Owns: hops of Ingress objects, by the controller that serves them: ingress-nginx, HAProxy (both),
// Traefik, AWS, GKE, Azure.
import { annotationsOf, at, durationSeconds, type KubeObject, list, text } from "@holdfast/kube";
import { type ClusterSnapshot, sameNamespace } from "../cluster-snapshot.ts";
import { annotationPatch, patchAt } from "../patches.ts";
import type { Workload } from "../workload.ts";
import { annotated, type Source } from "./annotated.ts";
import { agic, alb, gke } from "./cloud-ingress.ts";
import type { Knob, NetworkHop } from "./network-hop.ts";

export type Controller =
  | "ingress-nginx"
  | "nginx-org"
  | "haproxytech"
  | "haproxy-ingress"
  | "traefik"
  | "alb"
  | "gke"
  | "agic"
  | "other";

/** Ingresses that lead to a Service of the workload. */
export function ingressesOf(workload: Workload, snapshot: ClusterSnapshot): readonly KubeObject[] {
  return snapshot.all("Ingress").filter((ingress) => {
    const names = [
      at(ingress.body, "spec", "defaultBackend"),
      ...list(at(ingress.body, "spec", "rules")).flatMap((rule) =>
        list(at(rule, "http", "paths")).map((path) => at(path, "backend")),
      ),
    ].map((backend) => text(at(backend, "service", "name")) ?? text(at(backend, "serviceName")));
    return workload.services.some(
      (service) =>
        names.includes(service.name) && sameNamespace(service.namespace, ingress.namespace),
    );
  });
}

const PREFIXES: readonly (readonly [string, Controller])[] = [
  ["nginx.ingress.kubernetes.io/", "ingress-nginx"],
  ["nginx.org/", "nginx-org"],
  ["haproxy.org/", "haproxytech"],
  ["haproxy-ingress.github.io/", "haproxy-ingress"],
  ["traefik.ingress.kubernetes.io/", "traefik"],
  ["alb.ingress.kubernetes.io/", "alb"],
  ["appgw.ingress.kubernetes.io/", "agic"],
  ["networking.gke.io/", "gke"],
  ["ingress.gcp.kubernetes.io/", "gke"],
];
const CLASSES: Readonly<Record<string, Controller>> = {
  nginx: "ingress-nginx",
  "webapprouting.kubernetes.azure.com": "ingress-nginx",
  haproxy: "haproxytech",
  traefik: "traefik",
  alb: "alb",
  gce: "gke",
  "gce-internal": "gke",
  "azure-application-gateway": "agic",
  "azure/application-gateway": "agic",
};
const CONTROLLERS: readonly (readonly [RegExp, Controller])[] = [
  [/^k8s\.io\/ingress-nginx/, "ingress-nginx"],
  [/^nginx\.org\//, "nginx-org"],
  [/^haproxy\.org\//, "haproxytech"],
  [/^haproxy-ingress\.github\.io\//, "haproxy-ingress"],
  [/^traefik\.io\//, "traefik"],
  [/^ingress\.k8s\.aws\/alb/, "alb"],
  [/^azure\/application-gateway/, "agic"],
];

/**
 * The controller that serves an Ingress: by its class's controller, its class's name, or its
 * annotations.
 */
export function controllerOf(ingress: KubeObject, snapshot: ClusterSnapshot): Controller {
  const annotations = annotationsOf(ingress);
  const name =
    text(at(ingress.body, "spec", "ingressClassName")) ??
    text(annotations["kubernetes.io/ingress.class"]);
  const controller = text(at(snapshot.one("IngressClass", name, "")?.body, "spec", "controller"));
  const byController = CONTROLLERS.find(
    ([pattern]) => controller !== undefined && pattern.test(controller),
  )?.[1];
  if (byController !== undefined) return byController;
  const byPrefix = PREFIXES.find(([prefix]) =>
    Object.keys(annotations).some((key) => key.startsWith(prefix)),
  )?.[1];
  // Two controllers are called haproxy, and two nginx; their annotations tell them apart.
  if ((name === "haproxy" || name === "nginx") && byPrefix !== undefined) return byPrefix;
  return (name === undefined ? undefined : CLASSES[name]) ?? byPrefix ?? "other";
}

export function ingressHop(
  ingress: KubeObject,
  workload: Workload,
  snapshot: ClusterSnapshot,
): NetworkHop {
  const controller = controllerOf(ingress, snapshot);
  const name = `Ingress ${ingress.name}`;
  switch (controller) {
    case "ingress-nginx":
      return nginx(ingress, `${name} (ingress-nginx)`, snapshot);
    case "nginx-org":
      return {
        kind: "gateway",
        name: `${name} (NGINX)`,
        idle: nginxIdle(ingress, { prefix: "nginx.org/", write: inSeconds }),
      };
    case "haproxytech":
      return haproxytech(ingress, `${name} (HAProxy)`, snapshot);
    case "haproxy-ingress":
      return haproxyIngress(ingress, `${name} (haproxy-ingress)`);
    case "traefik":
      return { kind: "gateway", name: `${name} (Traefik)`, ...traefikDrain(snapshot) };
    case "alb":
      return alb(ingress, `${name} (AWS ALB)`);
    case "gke":
      return gke(`${name} (GKE)`, workload, snapshot);
    case "agic":
      return agic(ingress, `${name} (Azure Application Gateway)`);
    case "other":
      return { kind: "gateway", name };
  }
}

const inSeconds = (seconds: number): string => `${seconds}s`;

/** The shorter time of the two directions. Pings pass in one, pongs in the other. */
function nginxIdle(
  ingress: KubeObject,
  { prefix, write }: { readonly prefix: string; readonly write: (seconds: number) => string },
): Knob {
  const read = annotated({ object: ingress, key: `${prefix}proxy-read-timeout`, fallback: 60 });
  const send = annotated({ object: ingress, key: `${prefix}proxy-send-timeout`, fallback: 60 });
  const both = (seconds: number) =>
    annotationPatch(ingress, {
      [`${prefix}proxy-read-timeout`]: write(seconds),
      [`${prefix}proxy-send-timeout`]: write(seconds),
    });
  return { ...(send.value < read.value ? send : read), patch: both };
}

function nginx(ingress: KubeObject, name: string, snapshot: ClusterSnapshot): NetworkHop {
  const config = snapshot
    .all("ConfigMap")
    .find(
      (map) =>
        /ingress-nginx|nginx-controller/.test(map.name) && at(map.body, "data") !== undefined,
    );
  return {
    kind: "gateway",
    name,
    idle: nginxIdle(ingress, { prefix: "nginx.ingress.kubernetes.io/", write: String }),
    drainFrom: "sigterm",
    drain: configured(config, {
      object: ingress,
      key: "worker-shutdown-timeout",
      fallback: 240,
      write: inSeconds,
    }),
  };
}

/**
 * A time in a controller's ConfigMap. If the ConfigMap was not read, the route's object is named
 * instead.
 */
function configured(config: KubeObject | undefined, source: Source): Knob {
  const { key, fallback, unit = "s", write = String } = source;
  const found = durationSeconds(at(config?.body, "data", key), unit);
  const knob = { value: found ?? fallback, set: found !== undefined, name: key };
  return config === undefined
    ? { ...knob, object: source.object, how: `Set ${key} in the controller's ConfigMap.` }
    : {
        ...knob,
        object: config,
        path: ["data", key],
        patch: (seconds) => patchAt(config, ["data", key], write(seconds)),
      };
}

function haproxytech(ingress: KubeObject, name: string, snapshot: ClusterSnapshot): NetworkHop {
  const config = snapshot
    .all("ConfigMap")
    .find(
      (map) => /haproxy|kubernetes-ingress/.test(map.name) && at(map.body, "data") !== undefined,
    );
  return {
    kind: "gateway",
    name,
    idle: annotated({
      object: ingress,
      key: "haproxy.org/timeout-tunnel",
      fallback: 3600,
      unit: "ms",
      write: inSeconds,
    }),
    drain: configured(config, {
      object: ingress,
      key: "hard-stop-after",
      fallback: 1800,
      unit: "ms",
      write: inSeconds,
    }),
    drainFrom: "sigterm",
  };
}

function haproxyIngress(ingress: KubeObject, name: string): NetworkHop {
  const prefix = "haproxy-ingress.github.io/";
  return {
    kind: "gateway",
    name,
    idle: annotated({
      object: ingress,
      key: `${prefix}timeout-tunnel`,
      fallback: 3600,
      write: inSeconds,
    }),
    drain: annotated({
      object: ingress,
      key: `${prefix}timeout-stop`,
      fallback: 600,
      write: inSeconds,
    }),
    drainFrom: "sigterm",
  };
}

/** Traefik's drain is in its own arguments: it is known only if its Deployment was read. */
export function traefikDrain(snapshot: ClusterSnapshot): Partial<NetworkHop> {
  for (const object of [
    ...snapshot.all("Deployment", "apps"),
    ...snapshot.all("DaemonSet", "apps"),
  ]) {
    const container = list(at(object.body, "spec", "template", "spec", "containers")).find((one) =>
      /(^|\/)traefik(:|@|$)/.test(text(at(one, "image")) ?? ""),
    );
    if (container === undefined) continue;
    const grace = list(at(container, "args")).flatMap(
      (word) => /lifecycle\.gracetimeout=(\S+)/i.exec(text(word) ?? "")?.[1] ?? [],
    );
    const found = Math.min(...grace.flatMap((value) => durationSeconds(value) ?? []));
    const drain: Knob = {
      value: Number.isFinite(found) ? found : 10,
      set: Number.isFinite(found),
      name: "entryPoints.*.transport.lifeCycle.graceTimeOut",
      object,
      how: "Add --entryPoints.<name>.transport.lifeCycle.graceTimeOut to Traefik's arguments, and a grace period above it to its pod.",
    };
    return { drain, drainFrom: "sigterm" };
  }
  return {};
}
