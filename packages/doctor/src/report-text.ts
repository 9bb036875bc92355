// Owns: the diagnosis as text for people: by workload, its path drawn as a line, each finding with
// its arithmetic, its consequence and its fix.

import type { Place } from "@holdfast/kube";
import { seconds } from "@holdfast/kube";
import { stringify } from "yaml";
import { CATALOGUE } from "./catalogue.ts";
import { type Diagnosis, findingsOf, type WorkloadReport } from "./diagnose.ts";
import type { Finding, ObjectRef, Patch, Severity } from "./finding.ts";
import type { Machine } from "./machines.ts";
import type { Knob, NetworkHop } from "./network-hops/network-hop.ts";
import { clientServices } from "./workload.ts";

export interface TextOptions {
  readonly colors: boolean;
  /** Whether patches are shown. */
  readonly patches: boolean;
  /** Findings of the lowest severity are left out. */
  readonly least: Severity;
}

type Style = "bold" | "dim" | "red" | "yellow" | "blue" | "green";
const CODES: Readonly<Record<Style, number>> = {
  bold: 1,
  dim: 2,
  red: 31,
  yellow: 33,
  blue: 34,
  green: 32,
};
const STYLE_OF: Readonly<Record<Severity, Style>> = {
  error: "red",
  warning: "yellow",
  info: "blue",
};
const RANK: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

type Paint = (style: Style, text: string) => string;

/** The whole report, ending with a line of counts. */
export function renderText(diagnosis: Diagnosis, options: TextOptions): string {
  const paint: Paint = (style, text) =>
    options.colors ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text;
  const lines: string[] = [];
  for (const { place, reason } of diagnosis.unread)
    lines.push(`${paint("red", "unread")}  ${placeText(place)}: ${reason}`, "");
  for (const report of diagnosis.workloads)
    lines.push(...workloadLines(report, options, paint), "");
  const elsewhere = shown(diagnosis.elsewhere, options);
  if (elsewhere.length > 0)
    lines.push(
      paint("bold", "What the workloads stand on"),
      "",
      ...elsewhere.flatMap((one) => findingLines(one, options, paint)),
      "",
    );
  if (diagnosis.workloads.length === 0)
    lines.push(
      "No workload on the clients' way was found: nothing with a Service, a route or HOLDFAST_ variables.",
      "",
    );
  lines.push(summary(diagnosis, paint));
  return `${lines.join("\n")}\n`;
}

function shown(findings: readonly Finding[], { least }: TextOptions): readonly Finding[] {
  return findings.filter(({ severity }) => RANK[severity] <= RANK[least]);
}

function workloadLines(
  { clientPath, findings }: WorkloadReport,
  options: TextOptions,
  paint: Paint,
): readonly string[] {
  const { workload, load, machines } = clientPath;
  const { object, replicas } = workload;
  const counts = countText(findings);
  const lines = [
    `${paint("bold", refText({ kind: object.kind, namespace: object.namespace, name: object.name }))}  ${replicas} ${replicas === 1 ? "pod" : "pods"}${workload.autoscaler === undefined ? "" : " at least"}${workload.own ? ", a Holdfast node" : load.gateway === undefined ? "" : ", a Holdfast gateway"}  ${counts}`,
    ...clientPathLines(clientPath, paint),
    paint("dim", `  pod: ${podText(clientPath)}`),
    paint(
      "dim",
      `  for: ${load.connections} connections a pod${load.connectionsBasis === "assumed" ? " (assumed)" : ""}, ${load.drain.handshakesPerSecond} handshakes/s, ping ${seconds(load.pingSeconds)}`,
    ),
    ...(machines.length === 0 ? [] : [paint("dim", `  on: ${machinesText(machines)}`)]),
    "",
  ];
  const visible = shown(findings, options);
  if (visible.length === 0) lines.push(`  ${paint("green", "nothing found")}`);
  return [...lines, ...visible.flatMap((one) => findingLines(one, options, paint))];
}

const MACHINES_SHOWN_MAX = 8;

function machinesText(machines: readonly Machine[]): string {
  const shownOnes = machines
    .slice(0, MACHINES_SHOWN_MAX)
    .map(({ name, pods }) => `${name} ${pods}`);
  const rest = machines.length - shownOnes.length;
  return [...shownOnes, ...(rest > 0 ? [`${rest} more`] : [])].join(", ");
}

function podText({ load }: WorkloadReport["clientPath"]): string {
  const { drain, graceSeconds, preStopSeconds, plan } = load;
  const grace = `grace ${seconds(graceSeconds)}`;
  const hook =
    preStopSeconds === undefined
      ? ["preStop of unknown length"]
      : preStopSeconds > 0
        ? [`preStop ${seconds(preStopSeconds)}`]
        : [];
  const parts =
    load.drainBasis === "assumed"
      ? [`drain unknown, at most ${seconds(drain.maxSeconds)}`]
      : [
          `drain ${seconds(drain.maxSeconds)}`,
          ...(load.own === undefined && load.gateway === undefined
            ? []
            : [
                `of it ${seconds(drain.preDelaySeconds)} delay and ${seconds(plan.windowSeconds)} window`,
              ]),
        ];
  return [grace, ...hook, ...parts].join(", ");
}

/** `balancer -> gateway -> service -> pod` with the figures of each. */
/**
 * A line for each entrance: `client > balancer or gateway > Service > sidecar > pod`, with the
 * figures of each.
 */
function clientPathLines(
  { hops, workload }: WorkloadReport["clientPath"],
  paint: Paint,
): readonly string[] {
  const drawn = (hop: NetworkHop): string => `${hop.name}${figures(hop)}`;
  const beside = (before: readonly NetworkHop[]): readonly string[] =>
    before.length === 0 ? [] : [before.map(drawn).join(" or ")];
  const of = (wanted: NetworkHop["kind"]): readonly string[] =>
    hops.filter(({ kind }) => kind === wanted).map(drawn);
  const names = clientServices(workload).map(({ name }) => name);
  const services = names.length === 0 ? [] : [`Service ${names.join(", ")}`];
  const rest = [...of("policy"), ...services, ...of("sidecar"), "pod"];
  const entrances = hops.filter(({ kind }) => kind === "balancer" || kind === "gateway");
  const clientPaths = entrances.map((hop) => [
    "client",
    ...beside(hop.before ?? []),
    drawn(hop),
    ...rest,
  ]);
  if (clientPaths.length === 0) clientPaths.push(["client", ...rest]);
  return clientPaths.map((steps) => `  way: ${steps.join(paint("dim", " > "))}`);
}

function figures(hop: NetworkHop): string {
  const figure = (
    word: string,
    knob: Knob | undefined,
    unit: (value: number) => string,
  ): readonly string[] =>
    knob === undefined ? [] : [`${word} ${unit(knob.value)}${knob.set ? "" : "*"}`];
  const parts = [
    ...figure("idle", hop.idle, time),
    ...figure("age", hop.lifetime, time),
    ...figure("drain", hop.drain, time),
    ...figure("at most", hop.connections, String),
  ];
  return parts.length === 0 ? "" : ` [${parts.join(", ")}]`;
}

const time = (value: number): string => (Number.isFinite(value) ? seconds(value) : "never");

function findingLines(one: Finding, { patches }: TextOptions, paint: Paint): readonly string[] {
  const label = paint(STYLE_OF[one.severity], one.severity.padEnd(7));
  return [
    `  ${label} ${paint("bold", CATALOGUE[one.id].title)}  ${paint("dim", one.id)}`,
    `          ${refText(one.object)}, ${placeText(one.place)}`,
    `          ${one.found}`,
    ...(one.sum === undefined ? [] : one.sum.split("; ").map((part) => `            ${part}`)),
    `          ${one.consequence}`,
    `          Fix: ${one.fix}`,
    ...(patches && one.patch !== undefined
      ? patchLines(one.patch).map((line) => `            ${paint("dim", line)}`)
      : []),
    `          ${paint("dim", one.docs)}`,
    "",
  ];
}

/** A patch as YAML, with how to apply it. */
export function patchLines(patch: Patch): readonly string[] {
  const how =
    patch.type === "create"
      ? "# kubectl apply -f"
      : `# kubectl patch --type ${patch.type} --patch-file`;
  return [
    how,
    ...stringify(patch.body, { lineWidth: 0, aliasDuplicateObjects: false }).trimEnd().split("\n"),
  ];
}

export function refText({ kind, namespace, name }: ObjectRef): string {
  return `${kind} ${namespace === "" ? "" : `${namespace}/`}${name}`;
}

function placeText({ file, line, template }: Place): string {
  const place = line === 0 ? file : `${file}:${line}`;
  return template === undefined ? place : `${template} (${place})`;
}

function countText(findings: readonly Finding[]): string {
  const count = (severity: Severity): number =>
    findings.filter((one) => one.severity === severity).length;
  const counts = [count("error"), count("warning"), count("info")];
  return `${counts[0]} ${counts[0] === 1 ? "error" : "errors"}, ${counts[1]} ${counts[1] === 1 ? "warning" : "warnings"}, ${counts[2]} info`;
}

function summary(diagnosis: Diagnosis, paint: Paint): string {
  const found = findingsOf(diagnosis);
  const style: Style = found.some(({ severity }) => severity === "error")
    ? "red"
    : found.length > 0
      ? "yellow"
      : "green";
  const unread = diagnosis.unread.length === 0 ? "" : `, ${diagnosis.unread.length} not read`;
  return `${paint(style, countText(found))} in ${diagnosis.objectCount} objects${unread}; a star marks a product's default, --patches shows the fixes as YAML`;
}
