// Owns: rules of probes: what they ask, how soon they give up.
import { at, type Json, list, number, record, seconds, text } from "@holdfast/kube";
import type { ClientPath } from "../client-path.ts";
import { type Finding, finding } from "../finding.ts";
import { containerPatch } from "../patches.ts";

/**
 * A pause that a healthy process may have: collection of garbage, a storm of reconnects, a
 * throttled CPU.
 */
const PATIENCE_SECONDS = 20;

export function probeRules(clientPath: ClientPath): readonly Finding[] {
  if (clientPath.workload.kind === "Service") return [];
  return [
    ...same(clientPath),
    ...eager(clientPath),
    ...publicPort(clientPath),
    ...missing(clientPath),
  ];
}

const probe = (clientPath: ClientPath, name: string): Json | undefined => {
  const value = clientPath.workload.main.body[name];
  return value === undefined || value === null ? undefined : record(value);
};

/** What a probe asks, as one text; undefined when that cannot be compared. */
function question(asked: Json | undefined): string | undefined {
  const port = (kind: string): string => text(at(asked, kind, "port")) ?? "";
  if (at(asked, "httpGet") !== undefined)
    return `GET ${text(at(asked, "httpGet", "path")) ?? "/"} on ${port("httpGet")}`;
  if (at(asked, "exec") !== undefined)
    return `exec ${JSON.stringify(at(asked, "exec", "command"))}`;
  return at(asked, "grpc") === undefined
    ? undefined
    : `grpc ${port("grpc")} ${text(at(asked, "grpc", "service")) ?? ""}`;
}

function same(clientPath: ClientPath): readonly Finding[] {
  const { workload, load } = clientPath;
  const asked = question(probe(clientPath, "livenessProbe"));
  if (asked === undefined || asked !== question(probe(clientPath, "readinessProbe"))) return [];
  const change =
    load.own === undefined
      ? undefined
      : { livenessProbe: { httpGet: { path: "/livez", port: load.own.config.internalPort } } };
  return [
    finding("liveness-is-readiness", {
      severity: workload.own ? "error" : "warning",
      object: workload.object,
      path: [...workload.main.path, "livenessProbe"],
      found: `both probes are ${asked}`,
      fix:
        change === undefined
          ? "Ask something that fails only when a restart helps, or open a TCP connection; let readiness say whether the pod accepts new clients."
          : "Ask /livez on the internal port.",
      patch: containerPatch(workload, {
        container: workload.main,
        change: change ?? {
          livenessProbe: {
            httpGet: null,
            exec: null,
            grpc: null,
            tcpSocket: { port: portOf(clientPath) },
          },
        },
      }),
    }),
  ];
}

function portOf(clientPath: ClientPath): unknown {
  const asked = clientPath.workload.main.body.readinessProbe;
  const [first] = list(clientPath.workload.main.body.ports);
  return (
    at(asked, "httpGet", "port") ??
    at(asked, "grpc", "port") ??
    at(first, "name") ??
    at(first, "containerPort") ??
    80
  );
}

function eager(clientPath: ClientPath): readonly Finding[] {
  const { workload } = clientPath;
  const liveness = probe(clientPath, "livenessProbe");
  if (liveness === undefined) return [];
  const period = number(liveness.periodSeconds) ?? 10;
  const failures = number(liveness.failureThreshold) ?? 3;
  const patience = period * failures;
  if (patience >= PATIENCE_SECONDS) return [];
  return [
    finding("liveness-too-eager", {
      object: workload.object,
      path: [...workload.main.path, "livenessProbe"],
      found: `a pause of ${seconds(patience)} is death`,
      sum: `periodSeconds x failureThreshold = ${period} x ${failures} = ${seconds(patience)} < ${PATIENCE_SECONDS} s`,
      fix: "Give it 10 s x 3, and a timeout of 5 s.",
      patch: containerPatch(workload, {
        container: workload.main,
        change: { livenessProbe: { periodSeconds: 10, failureThreshold: 3, timeoutSeconds: 5 } },
      }),
    }),
  ];
}

/**
 * Our nodes close the public listener when a drain begins; /livez and /readyz are on the internal
 * one.
 */
function publicPort(clientPath: ClientPath): readonly Finding[] {
  const { workload, load } = clientPath;
  if (load.own === undefined) return [];
  const { port, internalPort } = load.own.config;
  const isPublic = (name: string): boolean => {
    const asked = probe(clientPath, name);
    const wanted = at(asked, "httpGet", "port") ?? at(asked, "tcpSocket", "port");
    const named = list(workload.main.body.ports).find(
      (one) => text(at(one, "name")) === text(wanted),
    );
    return (
      wanted !== undefined &&
      (number(wanted) ?? number(at(named, "containerPort"))) === port &&
      port !== internalPort
    );
  };
  return ["livenessProbe", "readinessProbe"].filter(isPublic).map((name) =>
    finding("liveness-on-public-port", {
      object: workload.object,
      path: [...workload.main.path, name],
      found: `${name} asks port ${port}, which is the public listener; the internal one is ${internalPort}`,
      fix: `Ask ${name === "livenessProbe" ? "/livez" : "/readyz"} on port ${internalPort}.`,
      patch: containerPatch(workload, {
        container: workload.main,
        change: {
          [name]: {
            tcpSocket: null,
            httpGet: { path: name === "livenessProbe" ? "/livez" : "/readyz", port: internalPort },
          },
        },
      }),
    }),
  );
}

function missing(clientPath: ClientPath): readonly Finding[] {
  const { workload, load } = clientPath;
  if (probe(clientPath, "readinessProbe") !== undefined) return [];
  const asked =
    load.own === undefined
      ? { tcpSocket: { port: portOf(clientPath) } }
      : { httpGet: { path: "/readyz", port: load.own.config.internalPort } };
  return [
    finding("readiness-missing", {
      object: workload.object,
      path: workload.main.path,
      found: `container ${workload.main.name} has no readinessProbe`,
      fix: "Give it one that says whether the pod accepts new clients.",
      patch: containerPatch(workload, {
        container: workload.main,
        change: { readinessProbe: asked },
      }),
    }),
  ];
}
