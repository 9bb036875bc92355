// Owns: the labels and annotations by which the operator marks objects of Kubernetes.

/** On ReplicaSets and pods: the name of their RealtimeSet. Watches select by it. */
export const SET_LABEL = "holdfast.dev/set";
/** Of a pod template: its revision. Nodes read their own revision from it. */
export const REVISION_LABEL = "pod-template-hash";
/** A budget of no disruptions selects pods with it: somebody may be on them. */
export const PROTECTED_LABEL = "holdfast.dev/protected";
/** Services select pods with it: newcomers and sessions that move are sent there. */
export const RECEIVES_LABEL = "holdfast.dev/receives";
/** Of a pod: what the operator wants of it, as JSON. */
export const DRAIN_ANNOTATION = "holdfast.dev/drain";
export const COST_ANNOTATION = "controller.kubernetes.io/pod-deletion-cost";
/** Of a Deployment: the RealtimeSet with the same selector takes its pods over. */
export const ADOPT_ANNOTATION = "holdfast.dev/adopt";
/** Of a RealtimeSet: its ReplicaSets are let go, for a Deployment with the same selector. */
export const HAND_OVER_ANNOTATION = "holdfast.dev/hand-over";

export const GROUP_VERSION = "holdfast.dev/v1alpha1";

/** Paths of the API server. */
export const PATHS = {
  sets: (namespace?: string) => inGroup("holdfast.dev/v1alpha1", "realtimesets", namespace),
  releases: (namespace?: string) => inGroup("holdfast.dev/v1alpha1", "realtimereleases", namespace),
  replicaSets: (namespace?: string) => inGroup("apps/v1", "replicasets", namespace),
  deployments: (namespace?: string) => inGroup("apps/v1", "deployments", namespace),
  budgets: (namespace?: string) => inGroup("policy/v1", "poddisruptionbudgets", namespace),
  pods: (namespace?: string) => `/api/v1${within(namespace)}/pods`,
  secret: (namespace: string, name: string) => `/api/v1${within(namespace)}/secrets/${name}`,
  machines: "/api/v1/nodes",
} as const;

const within = (namespace: string | undefined): string =>
  namespace === undefined ? "" : `/namespaces/${namespace}`;

const inGroup = (group: string, plural: string, namespace: string | undefined): string =>
  `/apis/${group}${within(namespace)}/${plural}`;
