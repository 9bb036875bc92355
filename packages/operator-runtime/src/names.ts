// Owns: the paths of objects that the operator reads and writes, and its orders on pods.
export {
  ADOPT_ANNOTATION,
  budgetName,
  HAND_OVER_ANNOTATION,
  PROTECTED_LABEL,
  RECEIVES_LABEL,
  REVISION_LABEL,
  SET_LABEL,
} from "@holdfast/operator";

/** Of a pod: what the operator wants of it, as JSON. */
export const DRAIN_ANNOTATION = "holdfast.dev/drain";
export const COST_ANNOTATION = "controller.kubernetes.io/pod-deletion-cost";

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
