// Owns: the forms that the API server and the controllers want of names, labels, quantities and
// ports, which schemas do not state. A controller may find a wrong one long after the apply.
import { type KubeObject, keyOf } from "./helm.ts";

const LABEL_NAME =
  /^(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?\/)?[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?)?$/;
const DNS_NAME = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const DNS_LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const PORT_NAME = /^(?=.{1,15}$)(?=.*[a-z])[a-z0-9](?:-?[a-z0-9])*$/;
const HOST_NAME =
  /^(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const QUANTITY = /^\d+(?:\.\d+)?(?:[KMGTPE]i|[numkMGTPE]|e[+-]?\d+)?$/;
const VARIABLE = /^[A-Za-z_][\w.-]*$/;

type Form = (value: unknown) => boolean;

const text =
  (form: RegExp, lengthMax = 253): Form =>
  (value) =>
    typeof value === "string" && value.length <= lengthMax && form.test(value);
const scalar =
  (form: RegExp): Form =>
  (value) =>
    form.test(String(value));
const mapOf =
  (name: Form, value: Form): Form =>
  (found) =>
    Object.entries(Object(found)).every(([key, inner]) => name(key) && value(inner));
const listOf =
  (form: Form): Form =>
  (found) =>
    Array.isArray(found) && found.every(form);
const between =
  (least: number, most: number): Form =>
  (value) =>
    Number.isInteger(value) && Number(value) >= least && Number(value) <= most;

const labels = mapOf(text(LABEL_NAME), text(LABEL_VALUE));
const port: Form = (value) =>
  typeof value === "string" ? PORT_NAME.test(value) : between(1, 65_535)(value);
const any: Form = () => true;

/** By the end of the path; `*` is one step. The first that fits decides. */
const FORMS: readonly (readonly [string, Form])[] = [
  ["metadata.labels", labels],
  ["metadata.annotations", mapOf(text(LABEL_NAME), (value) => typeof value === "string")],
  ["metadata.name", text(DNS_NAME)],
  ["metadata.namespace", text(DNS_LABEL)],
  ["matchLabels", labels],
  ["Service.spec.selector", labels],
  ["nodeSelector", labels],
  ["matchExpressions.*.values", listOf(text(LABEL_VALUE))],
  ["containers.*.name", text(DNS_LABEL)],
  ["volumes.*.name", text(DNS_LABEL)],
  ["env.*.name", text(VARIABLE)],
  ["ports.*.name", text(PORT_NAME)],
  ["ports.*.port", port],
  ["ports.*.targetPort", port],
  ["ports.*.containerPort", between(1, 65_535)],
  ["requests", mapOf(text(LABEL_NAME), scalar(QUANTITY))],
  ["limits", mapOf(text(LABEL_NAME), scalar(QUANTITY))],
  ["sizeLimit", scalar(QUANTITY)],
  ["averageValue", scalar(QUANTITY)],
  ["tolerance", scalar(QUANTITY)],
  ["HorizontalPodAutoscaler.spec.minReplicas", between(1, 100_000)],
  ["stabilizationWindowSeconds", between(0, 3600)],
  ["periodSeconds", between(1, 1800)],
  ["failureThreshold", between(1, 100_000)],
  ["terminationGracePeriodSeconds", between(0, 1_000_000)],
  ["priorityClassName", text(DNS_NAME)],
  ["serviceAccountName", text(DNS_NAME)],
  ["hostnames", listOf(text(HOST_NAME))],
  ["rules.*.host", text(HOST_NAME)],
  ["secretName", text(DNS_NAME)],
  ["secretKeyRef.name", text(DNS_NAME)],
  ["configMap.name", text(DNS_NAME)],
  ["secretKeyRef.key", text(/^[\w.-]+$/)],
  ["PodDisruptionBudget.spec.maxUnavailable", scalar(/^\d+%?$/)],
];

export interface Judgement {
  /** `kind name: path: value`. */
  readonly broken: readonly string[];
  readonly judged: number;
}

export function judgeForms(object: KubeObject): Judgement {
  const broken: string[] = [];
  let judged = 0;
  const walk = (value: unknown, path: readonly string[]): void => {
    const form = FORMS.find(([end]) => endsWith(path, end))?.[1] ?? any;
    if (form !== any) judged += 1;
    if (!form(value))
      broken.push(`${keyOf(object)}: ${path.slice(1).join(".")}: ${JSON.stringify(value)}`);
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key]);
  };
  walk(object, [object.kind]);
  return { broken, judged };
}

function endsWith(path: readonly string[], end: string): boolean {
  const wanted = end.split(".");
  const last = path.slice(-wanted.length);
  return (
    last.length === wanted.length &&
    wanted.every((step, index) => step === "*" || step === last[index])
  );
}
