// Owns: the kinds that are read from a live cluster. Secrets are not among them, and must never be.
import { at, type Json, record } from "../reading.ts";

export interface ListedKind {
  readonly kind: string;
  /** Group and versions, the wanted one first; older ones are asked for if it is not served. */
  readonly apiVersions: readonly [string, ...string[]];
  readonly plural: string;
  readonly namespaced: boolean;
  /** Narrows the list, as a parameter of the query. */
  readonly query?: string;
  /** What is kept of each object, if that is not all of it. */
  readonly keep?: (body: Json) => Json;
}

const namespaced = (
  kind: string,
  plural: string,
  ...apiVersions: readonly [string, ...string[]]
): ListedKind => ({
  kind,
  plural,
  apiVersions,
  namespaced: true,
});
const global = (
  kind: string,
  plural: string,
  ...apiVersions: readonly [string, ...string[]]
): ListedKind => ({
  kind,
  plural,
  apiVersions,
  namespaced: false,
});

const ISTIO = [
  "networking.istio.io/v1",
  "networking.istio.io/v1beta1",
  "networking.istio.io/v1alpha3",
] as const;
const GATEWAY = ["gateway.networking.k8s.io/v1", "gateway.networking.k8s.io/v1beta1"] as const;
const ENVOY_GATEWAY = "gateway.envoyproxy.io/v1alpha1";

/** Where a pod is and whose it is. Its spec is in its workload, and a cluster has many pods. */
export function placeOf(pod: Json): Json {
  const { name, namespace, labels, deletionTimestamp } = record(pod.metadata);
  return {
    metadata: { name, namespace, labels, deletionTimestamp },
    spec: { nodeName: at(pod, "spec", "nodeName") },
    status: { phase: at(pod, "status", "phase") },
  };
}

/**
 * Every cluster has these. If reading one is not allowed, the result names it. If one is missing,
 * the server is not Kubernetes.
 */
export const CORE_KINDS: readonly ListedKind[] = [
  namespaced("Deployment", "deployments", "apps/v1"),
  namespaced("StatefulSet", "statefulsets", "apps/v1"),
  namespaced("DaemonSet", "daemonsets", "apps/v1"),
  { ...namespaced("Pod", "pods", "v1"), keep: placeOf },
  namespaced("Service", "services", "v1"),
  namespaced("ConfigMap", "configmaps", "v1"),
  namespaced("PodDisruptionBudget", "poddisruptionbudgets", "policy/v1"),
  namespaced("HorizontalPodAutoscaler", "horizontalpodautoscalers", "autoscaling/v2"),
  namespaced("Ingress", "ingresses", "networking.k8s.io/v1"),
  namespaced("NetworkPolicy", "networkpolicies", "networking.k8s.io/v1"),
  global("IngressClass", "ingressclasses", "networking.k8s.io/v1"),
  global("Namespace", "namespaces", "v1"),
];

/** Kinds of add-ons. If one is not installed, it is left out silently. */
export const ADDED_KINDS: readonly ListedKind[] = [
  namespaced("Gateway", "gateways", ...GATEWAY),
  namespaced("HTTPRoute", "httproutes", ...GATEWAY),
  global("GatewayClass", "gatewayclasses", ...GATEWAY),
  namespaced(
    "TLSRoute",
    "tlsroutes",
    "gateway.networking.k8s.io/v1",
    "gateway.networking.k8s.io/v1alpha2",
  ),
  namespaced(
    "TCPRoute",
    "tcproutes",
    "gateway.networking.k8s.io/v1",
    "gateway.networking.k8s.io/v1alpha2",
  ),
  namespaced("EnvoyProxy", "envoyproxies", ENVOY_GATEWAY),
  namespaced("BackendTrafficPolicy", "backendtrafficpolicies", ENVOY_GATEWAY),
  namespaced("ClientTrafficPolicy", "clienttrafficpolicies", ENVOY_GATEWAY),
  namespaced("VirtualService", "virtualservices", ...ISTIO),
  namespaced("DestinationRule", "destinationrules", ...ISTIO),
  namespaced("Gateway", "gateways", ...ISTIO),
  namespaced("ScaledObject", "scaledobjects", "keda.sh/v1alpha1"),
  namespaced("VerticalPodAutoscaler", "verticalpodautoscalers", "autoscaling.k8s.io/v1"),
  namespaced("Rollout", "rollouts", "argoproj.io/v1alpha1"),
  namespaced("Service", "services", "serving.knative.dev/v1"),
  namespaced("BackendConfig", "backendconfigs", "cloud.google.com/v1"),
  namespaced("GCPBackendPolicy", "gcpbackendpolicies", "networking.gke.io/v1"),
  namespaced("ServiceAttachment", "serviceattachments", "networking.gke.io/v1"),
  namespaced("IngressRoute", "ingressroutes", "traefik.io/v1alpha1"),
  namespaced("IngressRouteTCP", "ingressroutetcps", "traefik.io/v1alpha1"),
  namespaced("RealtimeSet", "realtimesets", "holdfast.dev/v1alpha1"),
  namespaced("RealtimeRelease", "realtimereleases", "holdfast.dev/v1alpha1"),
];

/** Who leads, and since when nobody does. */
function leaseOf(lease: Json): Json {
  const { name, namespace } = record(lease.metadata);
  const { holderIdentity, renewTime } = record(lease.spec);
  return { metadata: { name, namespace }, spec: { holderIdentity, renewTime } };
}

/** What an operator stands on. It is read only if there are RealtimeSets. */
export const OPERATOR_KINDS: readonly ListedKind[] = [
  {
    ...namespaced("Lease", "leases", "coordination.k8s.io/v1"),
    // Each machine has one there.
    query: "fieldSelector=metadata.namespace%21%3Dkube-node-lease",
    keep: leaseOf,
  },
  {
    ...global("CustomResourceDefinition", "customresourcedefinitions", "apiextensions.k8s.io/v1"),
    query: "fieldSelector=metadata.name%3Drealtimesets.holdfast.dev",
  },
];

/**
 * Configuration outside of the namespace that is read: the mesh's, kube-proxy's, ingress-nginx's.
 */
export const WELL_KNOWN_MAPS: readonly (readonly [string, string])[] = [
  ["istio-system", "istio"],
  ["kube-system", "kube-proxy"],
  ["ingress-nginx", "ingress-nginx-controller"],
  ["ingress-nginx", "ingress-nginx-tcp"],
  ["ingress-nginx", "tcp-services"],
];
