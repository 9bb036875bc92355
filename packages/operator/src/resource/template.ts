// Owns: the meaning of a pod template: what the API server would fill in by itself is left out, so
// that a template with its defaults and one without them are the same.
import { quantity } from "./quantity.ts";
import { isMap } from "./read-fields.ts";

/** A default: where it stands, and which value is as good as none. */
interface Default {
  /** Names on the way. `*` is each item of a list. */
  readonly path: string;
  readonly values: readonly unknown[];
}

const PROBES = ["livenessProbe", "readinessProbe", "startupProbe"];
const CONTAINERS = ["containers", "initContainers"];

const probe = (container: string): readonly Default[] =>
  PROBES.flatMap((name) => {
    const path = `spec.${container}.*.${name}`;
    return [
      { path: `${path}.timeoutSeconds`, values: [1] },
      { path: `${path}.periodSeconds`, values: [10] },
      { path: `${path}.successThreshold`, values: [1] },
      { path: `${path}.failureThreshold`, values: [3] },
      { path: `${path}.initialDelaySeconds`, values: [0] },
      { path: `${path}.httpGet.scheme`, values: ["HTTP"] },
      { path: `${path}.grpc.service`, values: [""] },
    ];
  });

const containerDefaults = (container: string): readonly Default[] => [
  ...probe(container),
  { path: `spec.${container}.*.terminationMessagePath`, values: ["/dev/termination-log"] },
  { path: `spec.${container}.*.terminationMessagePolicy`, values: ["File"] },
  { path: `spec.${container}.*.ports.*.protocol`, values: ["TCP"] },
  { path: `spec.${container}.*.env.*.valueFrom.fieldRef.apiVersion`, values: ["v1"] },
  { path: `spec.${container}.*.env.*.value`, values: [""] },
  { path: `spec.${container}.*.lifecycle.preStop.httpGet.scheme`, values: ["HTTP"] },
  { path: `spec.${container}.*.lifecycle.postStart.httpGet.scheme`, values: ["HTTP"] },
  { path: `spec.${container}.*.volumeMounts.*.readOnly`, values: [false] },
];

const DEFAULTS: readonly Default[] = [
  { path: "spec.restartPolicy", values: ["Always"] },
  { path: "spec.dnsPolicy", values: ["ClusterFirst"] },
  { path: "spec.schedulerName", values: ["default-scheduler"] },
  { path: "spec.terminationGracePeriodSeconds", values: [30] },
  { path: "spec.enableServiceLinks", values: [true] },
  { path: "spec.hostNetwork", values: [false] },
  { path: "spec.hostPID", values: [false] },
  { path: "spec.hostIPC", values: [false] },
  ...CONTAINERS.flatMap(containerDefaults),
  ...["configMap", "secret", "projected", "downwardAPI"].map((source) => ({
    path: `spec.volumes.*.${source}.defaultMode`,
    values: [420],
  })),
  ...["downwardAPI", "projected.sources.*.downwardAPI"].map((source) => ({
    path: `spec.volumes.*.${source}.items.*.fieldRef.apiVersion`,
    values: ["v1"],
  })),
  {
    path: "spec.volumes.*.projected.sources.*.serviceAccountToken.expirationSeconds",
    values: [3600],
  },
  { path: "spec.volumes.*.hostPath.type", values: [""] },
];

/** Objects whose being there means nothing if they are empty. */
const HOLLOW = [
  "metadata.annotations",
  "metadata.labels",
  "spec.securityContext",
  "spec.nodeSelector",
  ...CONTAINERS.flatMap((name) => [
    `spec.${name}.*.resources.requests`,
    `spec.${name}.*.resources.limits`,
    `spec.${name}.*.resources`,
    `spec.${name}.*.securityContext`,
  ]),
];

/** A copy without defaults, without the labels that are added, and with quantities in one form. */
export function normalTemplate(template: unknown, addedLabels: ReadonlySet<string>): unknown {
  const copy: unknown = copyOf(isMap(template) ? template : {});
  each(copy, "metadata.labels", (labels) => {
    for (const name of Object.keys(labels)) if (addedLabels.has(name)) delete labels[name];
  });
  each(copy, "spec", sameAccount);
  for (const container of CONTAINERS) {
    each(copy, `spec.${container}.*`, pullPolicy);
    for (const kind of ["requests", "limits"])
      each(copy, `spec.${container}.*.resources.${kind}`, inOneForm);
    each(copy, `spec.${container}.*.resources`, requestsOfLimits);
  }
  for (const { path, values } of DEFAULTS) without(copy, path, (found) => values.includes(found));
  for (const path of HOLLOW)
    without(copy, path, (found) => isMap(found) && Object.keys(found).length === 0);
  withoutEmptyLists(copy);
  return copy;
}

type Open = Record<string, unknown>;

function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, copyOf(inner)]));
}

/** Calls `act` with each object at a path. */
function each(value: unknown, path: string, act: (found: Open) => void): void {
  walk(value, path === "" ? [] : path.split("."), act);
}

function walk(
  value: unknown,
  names: readonly string[],
  act: (found: Open) => void,
  depth = 0,
): void {
  const name = names[depth];
  if (name === undefined) {
    if (isMap(value)) act(value);
    return;
  }
  if (name === "*" && Array.isArray(value))
    for (const item of value) walk(item, names, act, depth + 1);
  else if (name !== "*" && isMap(value)) walk(value[name], names, act, depth + 1);
}

function without(copy: unknown, path: string, isDefault: (found: unknown) => boolean): void {
  const at = path.lastIndexOf(".");
  const name = path.slice(at + 1);
  each(copy, path.slice(0, at), (parent) => {
    if (name in parent && isDefault(parent[name])) delete parent[name];
  });
}

/** The API server writes the account under its old name as well. */
function sameAccount(spec: Open): void {
  const name = spec.serviceAccountName ?? spec.serviceAccount;
  delete spec.serviceAccount;
  if (name === undefined || name === "default" || name === "") delete spec.serviceAccountName;
  else spec.serviceAccountName = name;
}

/** `Always` for the tag `latest` and for none; otherwise `IfNotPresent`. */
function pullPolicy(container: Open): void {
  const { image } = container;
  if (typeof image !== "string") return;
  const [, tag, digest] = /^(?:[^@]*?)(?::([^:/@]+))?(@.+)?$/.exec(image) ?? [];
  const isLatest = digest === undefined && (tag === undefined || tag === "latest");
  if (container.imagePullPolicy === (isLatest ? "Always" : "IfNotPresent"))
    delete container.imagePullPolicy;
}

function inOneForm(amounts: Open): void {
  for (const [name, amount] of Object.entries(amounts)) amounts[name] = quantity(amount);
}

/** A limit without a request is the request, too. */
function requestsOfLimits(resources: Open): void {
  const { limits } = resources;
  if (!isMap(limits)) return;
  const requests = isMap(resources.requests) ? resources.requests : {};
  for (const [name, amount] of Object.entries(limits))
    if (requests[name] === amount) delete requests[name];
  resources.requests = requests;
}

function withoutEmptyLists(value: unknown): void {
  if (Array.isArray(value)) for (const item of value) withoutEmptyLists(item);
  if (!isMap(value)) return;
  for (const [name, inner] of Object.entries(value)) {
    if (Array.isArray(inner) && inner.length === 0) delete value[name];
    else withoutEmptyLists(inner);
  }
}
