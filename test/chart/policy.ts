// Owns: what every object of the chart must keep to, as functions over what was rendered. Each
// returns sentences about what does not.
import { type KubeObject, keyOf, type Values } from "./helm.ts";

export type Policy = (object: KubeObject, all: readonly KubeObject[]) => readonly string[];

interface Container {
  readonly name: string;
  readonly image: string;
  readonly args?: readonly string[];
  readonly securityContext?: Values;
  readonly resources?: { readonly requests?: Values; readonly limits?: Values };
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
}

interface PodSpec {
  readonly containers: readonly Container[];
  readonly securityContext?: Values;
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly terminationGracePeriodSeconds?: number;
  readonly hostNetwork?: boolean;
  readonly hostPID?: boolean;
  readonly volumes?: readonly Values[];
  readonly tolerations?: readonly {
    readonly key?: string;
    readonly tolerationSeconds?: number;
  }[];
}

/** The pod of a workload, or the pod itself. */
export function podOf(object: KubeObject): PodSpec | undefined {
  if (object.kind === "Pod") return object.spec as unknown as PodSpec;
  const spec = object.spec as { readonly template?: { readonly spec?: PodSpec } } | undefined;
  return ["Deployment", "StatefulSet", "RealtimeSet"].includes(object.kind)
    ? spec?.template?.spec
    : undefined;
}

const perPod =
  (check: (pod: PodSpec, object: KubeObject) => readonly string[]): Policy =>
  (object) => {
    const pod = podOf(object);
    return pod === undefined ? [] : check(pod, object).map((text) => `${keyOf(object)}: ${text}`);
  };

const perContainer = (check: (container: Container, pod: PodSpec) => readonly string[]): Policy =>
  perPod((pod) =>
    pod.containers.flatMap((container) =>
      check(container, pod).map((text) => `${container.name} ${text}`),
    ),
  );

const unless = (holds: unknown, text: string): readonly string[] => (holds ? [] : [text]);

/** Fields whose defaults hurt people, by kind, and what the default would do. */
const STATED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Deployment: {
    "strategy.rollingUpdate.maxSurge": "25 %: many new pods at once, and so many drains at once",
    "strategy.rollingUpdate.maxUnavailable": "25 %: pods end before others can receive",
    minReadySeconds: "0: a pod that fails right after its start does not stop the rollout",
    progressDeadlineSeconds: "600: shorter than some drains, so the rollout counts as failed",
    "template.spec.terminationGracePeriodSeconds": "30: sessions are cut",
    "template.spec.tolerations": "300 s without a pod for each machine that died",
  },
  StatefulSet: {
    podManagementPolicy: "OrderedReady: one pod that is not ready stops all others",
    "template.spec.terminationGracePeriodSeconds": "30: sessions are cut",
  },
  RealtimeSet: {
    "drain.preDelaySeconds": "3: shorter than balancers need",
    "connections.headroomPercent": "20: not what the limits of the pods were made for",
    "release.warmSeconds": "10: not minReadySeconds",
    "release.progressDeadlineSeconds": "600: shorter than some drains, so a release is rolled back",
    "template.spec.terminationGracePeriodSeconds": "30: sessions are cut",
    "template.spec.tolerations": "300 s without a pod for each machine that died",
  },
  HorizontalPodAutoscaler: {
    minReplicas: "1: nobody receives the sessions of a pod that dies",
    "behavior.scaleDown.policies": "all pods that are too many, at once",
    "behavior.scaleDown.stabilizationWindowSeconds": "300: shorter than two drains may be",
  },
  ScaledObject: {
    minReplicaCount: "0: everybody is cut",
    "fallback.behavior": "static: pods are taken away if the metric is lost",
    "advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.policies": "as of an HPA",
    "triggers.0.metricType": "AverageValue today, and without it there is no fallback",
    "triggers.0.metadata.ignoreNullValues": "true: an empty answer counts as 0",
  },
  PodDisruptionBudget: {
    unhealthyPodEvictionPolicy: "IfHealthyBudget: a broken pod blocks every drain of its machine",
  },
};

export const POLICIES: Readonly<Record<string, Policy>> = {
  "pods run as somebody who is not root, with the runtime's seccomp profile": perPod((pod) => [
    ...unless(pod.securityContext?.runAsNonRoot === true, "may run as root"),
    ...unless(Number(pod.securityContext?.runAsUser) > 0, "has no user"),
    ...unless(
      JSON.stringify(pod.securityContext?.seccompProfile) === '{"type":"RuntimeDefault"}',
      "has no seccomp profile",
    ),
  ]),
  "containers have no capabilities, cannot gain any, and cannot write to their root": perContainer(
    ({ securityContext }) => [
      ...unless(securityContext?.readOnlyRootFilesystem === true, "writes to its root"),
      ...unless(securityContext?.allowPrivilegeEscalation === false, "may gain privileges"),
      ...unless(securityContext?.privileged !== true, "is privileged"),
      ...unless(
        JSON.stringify(securityContext?.capabilities) === '{"drop":["ALL"]}',
        "keeps capabilities",
      ),
    ],
  ),
  "containers state what they need and what they may take": perContainer(({ resources }) => [
    ...unless(
      resources?.requests?.cpu !== undefined && resources.requests.memory !== undefined,
      "requests nothing",
    ),
    ...unless(
      resources?.limits?.memory !== undefined && resources.limits.cpu !== undefined,
      "has no limits",
    ),
  ]),
  "images have a version": perContainer(({ image }) =>
    unless(/(:\d+(\.\d+)+[\w.-]*|@sha256:[0-9a-f]{64})$/.test(image), `has image ${image}`),
  ),
  "no token of a service account is mounted, and no variables of services": perPod((pod) => [
    ...unless(pod.automountServiceAccountToken === false, "has a token"),
    ...unless(pod.enableServiceLinks === false, "has service links"),
  ]),
  "nothing of the machine is shared": perPod((pod) => [
    ...unless(pod.hostNetwork !== true && pod.hostPID !== true, "is in the machine's namespaces"),
    ...unless(!pod.volumes?.some((volume) => "hostPath" in volume), "mounts the machine's files"),
  ]),
  "secrets are references": perContainer(({ env = [] }) =>
    env
      .filter(({ name, value = "" }) => /SECRET|PASSWORD|TOKEN/.test(name) && value !== "")
      .map(({ name }) => `has ${name} in clear`),
  ),
  "everything is labelled and in the release's namespace": (object) => {
    const { labels = {}, namespace } = object.metadata;
    const wanted = [
      "app.kubernetes.io/name",
      "app.kubernetes.io/instance",
      "app.kubernetes.io/component",
      "helm.sh/chart",
    ];
    return [
      ...wanted
        .filter((label) => labels[label] === undefined)
        .map((label) => `${keyOf(object)}: no label ${label}`),
      ...unless(namespace === "realtime", `${keyOf(object)}: namespace ${String(namespace)}`),
    ];
  },
  "fields are stated whose defaults would hurt": (object) => {
    // The trial's Valkey has no sessions.
    if (object.metadata.name.endsWith("-valkey")) return [];
    return Object.entries(STATED[object.kind] ?? {})
      .filter(([path]) => valueAt(object.spec, path) === undefined)
      .map(([path, default_]) => `${keyOf(object)}: no ${path}, whose default is ${default_}`);
  },
  "the chart makes no secrets, and grants the operator one at most": (object) =>
    unless(
      !/^(Secret|ClusterRole(Binding)?)$/.test(object.kind) &&
        (object.kind !== "Role" || isOneSecret(object)),
      `${keyOf(object)}: rendered`,
    ),
  "what is selected exists": (object, all) => {
    const selector = (object.spec as { readonly selector?: unknown } | undefined)?.selector;
    if (
      !["Service", "PodDisruptionBudget", "NetworkPolicy"].includes(object.kind) ||
      selector === undefined
    )
      return [];
    const wanted = Object.entries(
      "matchLabels" in Object(selector)
        ? (selector as { matchLabels: Values }).matchLabels
        : Object(selector),
    );
    const pods = all.flatMap(({ spec }) => {
      const labels = (
        spec as
          | { readonly template?: { readonly metadata?: { readonly labels?: Values } } }
          | undefined
      )?.template?.metadata?.labels;
      return labels === undefined ? [] : [labels];
    });
    return unless(
      pods.some((labels) => wanted.every(([key, value]) => labels[key] === value)),
      `${keyOf(object)}: selects no pod`,
    );
  },
};

/** A Role for one Secret by its name, to read. */
function isOneSecret(role: KubeObject): boolean {
  const { rules = [] } = role as { readonly rules?: readonly Values[] };
  const [rule, ...more] = rules;
  const names = (rule?.resourceNames ?? []) as readonly string[];
  const rest = JSON.stringify({ ...rule, resourceNames: names.length });
  return (
    more.length === 0 &&
    rest === '{"apiGroups":[""],"resources":["secrets"],"resourceNames":1,"verbs":["get"]}'
  );
}

function valueAt(value: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((at, step) => Object(at)[step], value);
}
