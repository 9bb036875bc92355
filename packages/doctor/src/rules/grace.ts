// Owns: rules of time inside the pod: grace period, preStop, the drain's window, and what ends
// together with the application.
import {
  at,
  explainPace,
  GRACE_MARGIN_SECONDS,
  type Json,
  list,
  type Path,
  planDrain,
  record,
  seconds,
  TAIL_SECONDS,
  text,
} from "@holdfast/kube";
import type { ClientPath } from "../client-path.ts";
import { type Finding, finding } from "../finding.ts";
import type { Load } from "../load.ts";
import { containerPatch, environmentPatch, isStrategic, patchAt, podPatch } from "../patches.ts";
import type { Workload } from "../workload.ts";

/**
 * The least time that a node needs after its window: 1.5 s for closing handshakes, half a second
 * for their bytes.
 */
const NEEDED_TAIL_SECONDS = 2;
const AUTOSCALER_SECONDS = 600;
/** Endpoints take so long to reach every proxy of a cluster. */
const PROPAGATION_SECONDS = 5;
const PRE_DELAY_SECONDS = 15;

export function graceRules(clientPath: ClientPath): readonly Finding[] {
  // Knative sets the grace period of its pods itself.
  if (clientPath.workload.kind === "Service") return [];
  return [
    ...graceOf(clientPath),
    ...preStop(clientPath),
    ...preDelay(clientPath),
    // Machines that go are emptied by the operator, before anything ends their pods.
    ...(clientPath.workload.kind === "RealtimeSet"
      ? setWindow(clientPath)
      : [...window(clientPath), ...autoscaler(clientPath)]),
    ...sidecars(clientPath),
  ];
}

const gracePath = (clientPath: ClientPath): Path => [
  ...clientPath.workload.podPath,
  "terminationGracePeriodSeconds",
];

function graceOf(clientPath: ClientPath): readonly Finding[] {
  const { load, workload } = clientPath;
  const { plan, graceSeconds, drain } = load;
  if (load.drainBasis === "assumed") return assumedGrace(clientPath);
  const preStop = drain.preStopSeconds ?? 0;
  if (preStop >= graceSeconds) return [];
  const needed = preStop + drain.maxSeconds - TAIL_SECONDS + NEEDED_TAIL_SECONDS;
  if (graceSeconds >= plan.graceSeconds) return [];
  const wanted = Math.ceil(plan.graceSeconds);
  return [
    finding("grace-too-short", {
      severity: graceSeconds < needed ? "error" : "warning",
      object: workload.object,
      path: gracePath(clientPath),
      found: `terminationGracePeriodSeconds is ${seconds(graceSeconds)}, the drain needs ${seconds(needed)} and ${seconds(plan.graceSeconds)} with its margin`,
      sum: `G = S + M + ${GRACE_MARGIN_SECONDS} = ${seconds(preStop)} + ${seconds(drain.maxSeconds)} + ${seconds(GRACE_MARGIN_SECONDS)} = ${seconds(plan.graceSeconds)}; ${partsOf(load)}`,
      fix: `Give the pod ${wanted} s.`,
      patch: podPatch(workload, { terminationGracePeriodSeconds: wanted }),
    }),
  ];
}

function partsOf({ drainBasis, drain }: Load): string {
  const { preDelaySeconds, maxSeconds } = drain;
  return drainBasis === "told"
    ? `M = ${seconds(maxSeconds)} as told`
    : `M = preDelay + window + ${TAIL_SECONDS} = ${seconds(preDelaySeconds)} + ${seconds(maxSeconds - preDelaySeconds - TAIL_SECONDS)} + ${seconds(TAIL_SECONDS)}`;
}

/**
 * For an application that is not ours and whose drain time (M) was not told: whether any drain fits
 * into the time that its grace period leaves.
 */
function assumedGrace(clientPath: ClientPath): readonly Finding[] {
  const { load, workload } = clientPath;
  const { plan, graceSeconds, drain } = load;
  const preStop = drain.preStopSeconds ?? 0;
  if (preStop >= graceSeconds || plan.pace !== "impossible") return [];
  const wanted = Math.ceil(planDrain({ ...drain, maxSeconds: plan.pacedMaxSeconds }).graceSeconds);
  return [
    finding("grace-too-short", {
      severity: "warning",
      object: workload.object,
      path: gracePath(clientPath),
      found: `terminationGracePeriodSeconds is ${seconds(graceSeconds)}: ${drain.connections} connections need ${seconds(plan.fastestSeconds)} at the least to be set up elsewhere`,
      sum: `M = G - S - ${GRACE_MARGIN_SECONDS} = ${seconds(drain.maxSeconds)} at most; ${explainPace(drain, plan)}`,
      fix: `Give the pod ${wanted} s, and let the application use them; --connections, --handshakes and --drain tell the doctor your figures.`,
      patch: podPatch(workload, { terminationGracePeriodSeconds: wanted }),
    }),
  ];
}

function preStop({ load, workload }: ClientPath): readonly Finding[] {
  const hook = load.drain.preStopSeconds ?? 0;
  const grace = load.graceSeconds;
  if (hook === 0 || hook < grace) return [];
  const wanted = Math.ceil(
    hook +
      (load.drainBasis === "assumed" ? load.plan.pacedMaxSeconds : load.drain.maxSeconds) +
      GRACE_MARGIN_SECONDS,
  );
  return [
    finding("prestop-over-grace", {
      object: workload.object,
      path: [...workload.main.path, "lifecycle", "preStop"],
      found: `preStop takes ${seconds(hook)} of a grace period of ${seconds(grace)}`,
      sum: `G - S = ${seconds(grace)} - ${seconds(hook)} = ${seconds(grace - hook)}; the kubelet adds 2 s once`,
      fix: `Give the pod ${wanted} s, or shorten the hook.`,
      patch: podPatch(workload, { terminationGracePeriodSeconds: wanted }),
    }),
  ];
}

function preDelay(clientPath: ClientPath): readonly Finding[] {
  const { load, workload, hops } = clientPath;
  if (!clientPath.exposed || load.preStopSeconds === undefined) return [];
  const waits = load.preStopSeconds + load.drain.preDelaySeconds;
  const wait = load.own === undefined ? "S" : "S + P";
  const slow = hops.find(
    ({ deregistration }) => deregistration !== undefined && deregistration.value > waits,
  )?.deregistration;
  const short = waits < PROPAGATION_SECONDS;
  if (!short && slow === undefined) return [];
  const wanted = Math.max(PRE_DELAY_SECONDS, slow?.value ?? 0) - load.drain.preDelaySeconds;
  const grace = Math.ceil(
    Math.max(load.graceSeconds, wanted + load.drain.maxSeconds + GRACE_MARGIN_SECONDS),
  );
  const change = {
    lifecycle: { preStop: { exec: null, httpGet: null, sleep: { seconds: wanted } } },
  };
  return [
    finding(slow === undefined ? "no-pre-delay" : "deregistration-over-delay", {
      object: workload.object,
      path: workload.main.path,
      found:
        slow === undefined
          ? `${wait} = ${seconds(waits)} from the pod's deletion to its first refusal, expected at least ${PROPAGATION_SECONDS} s`
          : `${wait} = ${seconds(waits)}, and the load balancer of Service ${slow.object.name} takes 180 to 300 s to deregister a pod`,
      fix: `Sleep ${wanted} s in preStop (inside the grace period, which becomes ${grace} s)${load.own === undefined ? "" : ", or raise HOLDFAST_DRAIN_PRE_DELAY_MS"}.`,
      patch: containerPatch(workload, {
        container: workload.main,
        change: withoutNulls(workload, change),
        pod: { terminationGracePeriodSeconds: grace },
      }),
    }),
  ];
}

/** A hook has one handler: the others are removed, if there are any. */
function withoutNulls(workload: Workload, change: Json): Json {
  const before = at(workload.main.body, "lifecycle", "preStop");
  const handlers = record(at(change, "lifecycle", "preStop"));
  const preStop = Object.fromEntries(
    Object.entries(handlers).filter(
      ([key, value]) => value !== null || at(before, key) !== undefined,
    ),
  );
  return { lifecycle: { preStop } };
}

function window(clientPath: ClientPath): readonly Finding[] {
  const { load, workload } = clientPath;
  const { plan, drain } = load;
  if (load.drainBasis === "assumed" || plan.pace === "paced") return [];
  const impossible = plan.pace === "impossible";
  const wanted = Math.ceil(plan.pacedMaxSeconds);
  const enough = planDrain({ ...drain, maxSeconds: wanted });
  const grace = Math.ceil(Math.max(load.graceSeconds, enough.graceSeconds));
  const variable =
    load.gateway === undefined ? "HOLDFAST_DRAIN_WINDOW_MS" : "HOLDFAST_GATEWAY_DRAIN_WINDOW_MS";
  const variables = { [variable]: `${enough.windowSeconds}s` };
  const cap = load.connectionsBasis === "assumed" ? " (the most that the node takes)" : "";
  return [
    finding(impossible ? "drain-impossible" : "drain-hurried", {
      ...(impossible && load.connectionsBasis === "assumed"
        ? { severity: "warning" as const }
        : {}),
      object: workload.object,
      path: workload.main.path,
      found: `${drain.connections} connections${cap}, and ${seconds(plan.movingSeconds)} to move them in`,
      sum: explainPace(drain, plan),
      fix: `M = ${wanted} s would be paced: a window of ${seconds(enough.windowSeconds)} and a grace period of ${grace} s. Or hold fewer connections in each pod.`,
      patch:
        load.own === undefined && load.gateway === undefined
          ? undefined
          : environmentPatch(workload, variables, { terminationGracePeriodSeconds: grace }),
    }),
  ];
}

/** The window of a set is that of the operator's order. The grace period is not part of it. */
function setWindow({ load, workload }: ClientPath): readonly Finding[] {
  const { set, object } = workload;
  if (set === undefined) return [];
  const { maxSeconds, preDelaySeconds } = set.drain;
  const { connections, handshakesPerSecond } = load.drain;
  const plan = planDrain({ ...load.drain, preDelaySeconds, maxSeconds: maxSeconds + TAIL_SECONDS });
  if (plan.pace === "paced") return [];
  const impossible = plan.pace === "impossible";
  const wanted = Math.ceil(plan.pacedMaxSeconds - TAIL_SECONDS);
  const path = ["spec", "drain", "maxSeconds"];
  return [
    finding(impossible ? "drain-impossible" : "drain-hurried", {
      object,
      path,
      found: `${connections} connections, and ${seconds(plan.movingSeconds)} to move them in`,
      sum: `W = drain.maxSeconds - drain.preDelaySeconds = ${seconds(maxSeconds)} - ${seconds(preDelaySeconds)} = ${seconds(plan.windowSeconds)}; W - L = ${seconds(plan.movingSeconds)}; N / (0.7 x A) = ${connections} / (0.7 x ${handshakesPerSecond}/s) = ${seconds(plan.pacedSeconds)}; N / A = ${seconds(plan.fastestSeconds)}`,
      fix: `Give drain.maxSeconds ${wanted} s, or hold fewer connections in each pod.`,
      patch: patchAt(object, path, wanted),
    }),
  ];
}

function autoscaler(clientPath: ClientPath): readonly Finding[] {
  const { load, workload } = clientPath;
  if (load.graceSeconds <= AUTOSCALER_SECONDS) return [];
  return [
    finding("grace-over-autoscaler", {
      object: workload.object,
      path: gracePath(clientPath),
      found: `terminationGracePeriodSeconds is ${seconds(load.graceSeconds)}; --max-graceful-termination-sec of the cluster autoscaler is ${AUTOSCALER_SECONDS} s by default`,
      fix: "Let the drain fit into 600 s, or drain pods while they run (the API's drain) before they are deleted, or raise the flag of the autoscaler.",
    }),
  ];
}

const PROXY_IMAGES =
  /(^|\/)(envoy|proxyv2|nginx|haproxy|traefik|caddy|oauth2-proxy|cloud-sql-proxy|gce-proxy|linkerd2?-proxy|proxy)(:|@|-|$)/;

function sidecars({ workload }: ClientPath): readonly Finding[] {
  return workload.containers
    .filter(
      (container) =>
        container !== workload.main && PROXY_IMAGES.test(text(container.body.image) ?? ""),
    )
    .filter(({ name }) => name !== "istio-proxy" && name !== "linkerd-proxy")
    .map((container) => {
      const { lifecycle: _lifecycle, ...body } = container.body;
      const others = list(workload.podSpec.initContainers);
      const moved = { ...body, restartPolicy: "Always" };
      const remaining = list(workload.podSpec.containers).filter((one) => one !== container.body);
      return finding("sidecar-order", {
        object: workload.object,
        path: container.path,
        found: `container ${container.name} (${text(container.body.image)}) gets SIGTERM together with ${workload.main.name}`,
        fix: "Make it a native sidecar (an init container with restartPolicy Always): it then ends after the application.",
        patch: podPatch(
          workload,
          isStrategic(workload)
            ? { initContainers: [moved], containers: [{ name: container.name, $patch: "delete" }] }
            : { initContainers: [...others, moved], containers: remaining },
        ),
      });
    });
}
