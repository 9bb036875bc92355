// Owns: the diagnosis for programs: JSON of our own shape, and SARIF 2.1.0 for code hosts.
import { CATALOGUE, type FindingId } from "./catalogue.ts";
import { type Diagnosis, findingsOf } from "./diagnose.ts";
import type { Severity } from "./finding.ts";
import type { NetworkHop } from "./network-hops/network-hop.ts";
import { refText } from "./report-text.ts";

const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);

function hopData(hop: NetworkHop): Readonly<Record<string, unknown>> {
  return {
    kind: hop.kind,
    name: hop.name,
    idleSeconds: hop.idle === undefined ? null : finite(hop.idle.value),
    lifetimeSeconds: hop.lifetime === undefined ? null : finite(hop.lifetime.value),
    drainSeconds: hop.drain === undefined ? null : finite(hop.drain.value),
    connectionsMax: hop.connections === undefined ? null : finite(hop.connections.value),
    before: (hop.before ?? []).map(hopData),
  };
}

/** Version of the shape. It increases if a field is removed or changes its meaning. */
const JSON_VERSION = 1;

export function renderJson(diagnosis: Diagnosis): string {
  const workloads = diagnosis.workloads.map(({ clientPath, findings }) => ({
    kind: clientPath.workload.object.kind,
    namespace: clientPath.workload.object.namespace,
    name: clientPath.workload.object.name,
    replicas: clientPath.workload.replicas,
    holdfast: clientPath.workload.own,
    graceSeconds: clientPath.load.graceSeconds,
    preStopSeconds: clientPath.load.preStopSeconds ?? null,
    pingSeconds: clientPath.load.pingSeconds,
    pingBasis: clientPath.load.pingBasis,
    connections: clientPath.load.connections,
    connectionsBasis: clientPath.load.connectionsBasis,
    drain: {
      ...clientPath.load.drain,
      basis: clientPath.load.drainBasis,
      plan: clientPath.load.plan,
    },
    clientPath: clientPath.hops.map(hopData),
    findings,
  }));
  const count = (severity: Severity): number =>
    findingsOf(diagnosis).filter((one) => one.severity === severity).length;
  const counts = {
    error: count("error"),
    warning: count("warning"),
    info: count("info"),
    unread: diagnosis.unread.length,
  };
  return `${JSON.stringify({ version: JSON_VERSION, counts, workloads, elsewhere: diagnosis.elsewhere, unread: diagnosis.unread }, null, 2)}\n`;
}

const LEVELS: Readonly<Record<Severity, string>> = {
  error: "error",
  warning: "warning",
  info: "note",
};

export function renderSarif(diagnosis: Diagnosis, toolVersion: string): string {
  const found = findingsOf(diagnosis);
  const ids = [...new Set(found.map(({ id }) => id))].sort();
  const rule = (id: FindingId) => ({
    id,
    shortDescription: { text: CATALOGUE[id].title },
    fullDescription: { text: CATALOGUE[id].consequence },
  });
  const results = found.map((one) => ({
    ruleId: one.id,
    level: LEVELS[one.severity],
    message: { text: `${refText(one.object)}: ${one.found}. ${one.consequence} ${one.fix}` },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: one.place.template ?? one.place.file },
          region: { startLine: Math.max(1, one.place.line) },
        },
      },
    ],
  }));
  const driver = { name: "holdfast doctor", version: toolVersion, rules: ids.map(rule) };
  return `${JSON.stringify({ $schema: "https://json.schemastore.org/sarif-2.1.0.json", version: "2.1.0", runs: [{ tool: { driver }, results }] }, null, 2)}\n`;
}
