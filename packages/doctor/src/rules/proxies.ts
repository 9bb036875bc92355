// Owns: rules of how proxies in front of our nodes name the client: the PROXY protocol, which nodes
// do not speak, and proxies whose headers nodes do not trust.
import { annotationsOf, at, type KubeObject, list, record, text } from "@holdfast/kube";
import type { ClientPath } from "../client-path.ts";
import { type ClusterSnapshot, sameNamespace } from "../cluster-snapshot.ts";
import { type Finding, type FindingParts, finding } from "../finding.ts";
import { AWS } from "../network-hops/service.ts";
import { annotationPatch, patchAt, patchOf } from "../patches.ts";

export function proxyRules(clientPath: ClientPath, snapshot: ClusterSnapshot): readonly Finding[] {
  if (!clientPath.workload.own) return [];
  return [
    ...[...clientPath.workload.services, ...clientPath.ingresses].flatMap(byAnnotation),
    ...clientPath.workload.services.flatMap(byAwsAttribute),
    ...clientPath.destinationRules.flatMap(byIstio),
    ...byEnvoyGateway(clientPath, snapshot),
    ...clientPath.workload.services.flatMap((service) => [
      ...byGke(service, snapshot),
      ...byTraefik(service, snapshot),
      ...byIngressNginx(service, snapshot),
    ]),
    ...untrusted(clientPath),
  ];
}

/** Annotations by which a balancer or a controller writes a PROXY header to what is behind it. */
const ANNOTATIONS: readonly string[] = [
  `${AWS}proxy-protocol`,
  "service.beta.kubernetes.io/do-loadbalancer-enable-proxy-protocol",
  "service.beta.kubernetes.io/linode-loadbalancer-proxy-protocol",
  "service.beta.kubernetes.io/ovh-loadbalancer-proxy-protocol",
  "service.beta.kubernetes.io/scw-loadbalancer-proxy-protocol-v1",
  "service.beta.kubernetes.io/scw-loadbalancer-proxy-protocol-v2",
  "service.beta.kubernetes.io/vultr-loadbalancer-proxy-protocol",
  "service.beta.kubernetes.io/azure-pls-proxy-protocol",
  "service.beta.kubernetes.io/oci-load-balancer-connection-proxy-protocol-version",
  "load-balancer.hetzner.cloud/uses-proxyprotocol",
  "loadbalancer.openstack.org/proxy-protocol",
  "haproxy.org/send-proxy-protocol",
  "haproxy-ingress.github.io/proxy-protocol",
];
const OFF = /^(false|no|none|off|0|)$/i;

function byAnnotation(object: KubeObject): readonly Finding[] {
  const annotations = annotationsOf(object);
  return ANNOTATIONS.filter((key) => !OFF.test(text(annotations[key]) ?? "")).map((key) =>
    spoken({
      object,
      path: ["metadata", "annotations", key],
      found: `${key} is ${text(annotations[key])}`,
      fix: "Remove the annotation.",
      patch: patchOf(object, { metadata: { annotations: { [key]: null } } }),
    }),
  );
}

function byAwsAttribute(service: KubeObject): readonly Finding[] {
  const key = `${AWS}target-group-attributes`;
  const attributes = (text(annotationsOf(service)[key]) ?? "").split(",");
  const on = attributes.filter((one) => one.trim() === "proxy_protocol_v2.enabled=true");
  if (on.length === 0) return [];
  const kept = attributes.filter((one) => !on.includes(one));
  return [
    spoken({
      object: service,
      path: ["metadata", "annotations", key],
      found: "proxy_protocol_v2.enabled is true",
      fix: "Set it to false: a network load balancer can keep the client's address by itself.",
      patch: annotationPatch(service, {
        [key]: [...kept, "proxy_protocol_v2.enabled=false"].join(","),
      }),
    }),
  ];
}

function byIstio(rule: KubeObject): readonly Finding[] {
  const path = ["spec", "trafficPolicy", "proxyProtocol"];
  if (at(rule.body, ...path) === undefined) return [];
  return [
    spoken({
      object: rule,
      path,
      found: `DestinationRule ${rule.name} has proxyProtocol`,
      fix: "Remove it.",
      patch: patchAt(rule, path, null),
    }),
  ];
}

function byEnvoyGateway(
  { routes, workload }: ClientPath,
  snapshot: ClusterSnapshot,
): readonly Finding[] {
  const namesRoute = (policy: KubeObject): boolean => {
    const refs = [
      at(policy.body, "spec", "targetRef"),
      ...list(at(policy.body, "spec", "targetRefs")),
    ];
    return routes.some(({ kind, name }) =>
      refs.some((ref) => text(at(ref, "kind")) === kind && text(at(ref, "name")) === name),
    );
  };
  return snapshot
    .all("BackendTrafficPolicy", "gateway.envoyproxy.io")
    .filter((policy) => sameNamespace(policy.namespace, workload.object.namespace))
    .filter(
      (policy) => namesRoute(policy) && at(policy.body, "spec", "proxyProtocol") !== undefined,
    )
    .map((policy) =>
      spoken({
        object: policy,
        path: ["spec", "proxyProtocol"],
        found:
          `BackendTrafficPolicy ${policy.name} has proxyProtocol ${text(record(at(policy.body, "spec", "proxyProtocol")).version) ?? ""}`.trim(),
        fix: "Remove it.",
        patch: patchAt(policy, ["spec", "proxyProtocol"], null),
      }),
    );
}

/** Google's Private Service Connect, which publishes the balancer of a Service. */
function byGke(service: KubeObject, snapshot: ClusterSnapshot): readonly Finding[] {
  const path = ["spec", "proxyProtocol"];
  return snapshot
    .all("ServiceAttachment", "networking.gke.io")
    .filter(({ namespace }) => sameNamespace(namespace, service.namespace))
    .filter(({ body }) => text(at(body, "spec", "resourceRef", "name")) === service.name)
    .filter(({ body }) => at(body, ...path) === true)
    .map((attachment) =>
      spoken({
        object: attachment,
        path,
        found: `ServiceAttachment ${attachment.name} has proxyProtocol`,
        fix: "Set it to false.",
        patch: patchAt(attachment, path, false),
      }),
    );
}

function byTraefik(service: KubeObject, snapshot: ClusterSnapshot): readonly Finding[] {
  return snapshot.all("IngressRouteTCP", "traefik.io").flatMap((route) => {
    const routes = list(at(route.body, "spec", "routes")).map(record);
    return routes.flatMap((one, index) =>
      list(one.services).flatMap((target, place, targets) => {
        const namespace = text(at(target, "namespace")) ?? route.namespace;
        if (text(at(target, "name")) !== service.name) return [];
        if (!sameNamespace(namespace, service.namespace)) return [];
        if (at(target, "proxyProtocol") === undefined) return [];
        const { proxyProtocol: _, ...kept } = record(target);
        return [
          spoken({
            object: route,
            path: ["spec", "routes", index, "services", place, "proxyProtocol"],
            found: `IngressRouteTCP ${route.name} has proxyProtocol`,
            fix: "Remove it.",
            patch: patchAt(
              route,
              ["spec", "routes"],
              routes.with(index, { ...one, services: targets.with(place, kept) }),
            ),
          }),
        ];
      }),
    );
  });
}

/** A line of its TCP services: namespace/name:port, and PROXY for each of its two sides. */
const TCP_SERVICE = /^([^/:]+)\/([^/:]+):[^:]+:[^:]*:PROXY$/;

function byIngressNginx(service: KubeObject, snapshot: ClusterSnapshot): readonly Finding[] {
  return snapshot.all("ConfigMap", "").flatMap((map) =>
    Object.entries(record(at(map.body, "data"))).flatMap(([port, value]) => {
      const [, namespace = "", name] = TCP_SERVICE.exec(text(value) ?? "") ?? [];
      if (name !== service.name || !sameNamespace(namespace, service.namespace)) return [];
      const path = ["data", port];
      return [
        spoken({
          object: map,
          path,
          found: `port ${port} of ConfigMap ${map.name} ends in PROXY`,
          fix: "Remove the last field. The field before it is about what the proxy receives.",
          patch: patchAt(map, path, (text(value) ?? "").replace(/:PROXY$/, "")),
        }),
      ];
    }),
  );
}

const spoken = (parts: FindingParts): Finding => finding("proxy-protocol", parts);

/**
 * Behind a proxy that is not trusted all clients have one address, and so share one client's
 * limits.
 */
function untrusted({ hops, load, workload }: ClientPath): readonly Finding[] {
  const { own } = load;
  const proxy = hops.find(({ kind }) => kind === "gateway");
  if (own === undefined || proxy === undefined) return [];
  const isHidden = ["HOLDFAST_TRUSTED_PROXIES", "*"].some((name) => own.hidden.has(name));
  const { trustedProxies, limits } = own.config;
  if (isHidden || trustedProxies.length > 0) return [];
  if (limits.connectionsPerAddressMax >= limits.connectionsMax) return [];
  return [
    finding("proxy-untrusted", {
      object: workload.object,
      path: workload.main.path,
      found: `clients come through ${proxy.name}, and trustedProxies is empty`,
      sum: `limits.connectionsPerAddressMax ${limits.connectionsPerAddressMax} < limits.connectionsMax ${limits.connectionsMax}`,
      fix: "Name the proxy's addresses in trustedProxies (HOLDFAST_TRUSTED_PROXIES).",
    }),
  ];
}
