// Owns: rules of a gateway of ours and the applications behind it: whether their pods live until
// their clients have moved, and whether clients come by the gateway at all.
import { at, list, number, seconds, text } from "@holdfast/kube";
import type { ClientPath } from "../client-path.ts";
import { type ClusterSnapshot, sameNamespace } from "../cluster-snapshot.ts";
import { type Finding, finding } from "../finding.ts";
import type { GatewayFacts, GatewayRoute } from "../gateway.ts";
import { loadOf } from "../load.ts";
import { routesOf } from "../network-hops/gateway-api.ts";
import { ingressesOf } from "../network-hops/ingress.ts";
import { containerPatch } from "../patches.ts";
import { portNumber, type Workload, workloadsOf } from "../workload.ts";

/** Until the gateway knows that a pod ends, and until its last move has settled. */
const NOTICE_SECONDS = 5;

export function gatewayRules(
  { workload, load }: ClientPath,
  snapshot: ClusterSnapshot,
): readonly Finding[] {
  const { gateway } = load;
  if (gateway === undefined) return [];
  const all = workloadsOf(snapshot);
  return gateway.routes.flatMap((route) => {
    const behind = all.filter(
      ({ object, services }) =>
        sameNamespace(object.namespace, route.namespace) &&
        services.some(({ name }) => name === route.service),
    );
    return [
      ...behind.flatMap((application) => [
        ...profileNone({ workload, route, application }),
        ...timeOf({ route, gateway, application }, snapshot),
        ...bypassed({ route, workload, application }, snapshot),
      ]),
      ...wrongPort({ workload, route }, behind, snapshot),
    ];
  });
}

interface Behind {
  readonly route: GatewayRoute;
  readonly application: Workload;
}

const nameOf = ({ object }: Workload): string => `${object.kind} ${object.name}`;

function profileNone({
  workload,
  route,
  application,
}: Behind & { readonly workload: Workload }): readonly Finding[] {
  if (route.profile !== "none") return [];
  return [
    finding("gateway-profile-none", {
      object: workload.object,
      found: `route ${route.name} leads to ${nameOf(application)} with profile none`,
      fix: "Choose the profile of its protocol (docs/reference/gateway.md); stateless, if each message of a client stands alone.",
    }),
  ];
}

function timeOf(
  { route, gateway, application }: Behind & { readonly gateway: GatewayFacts },
  snapshot: ClusterSnapshot,
): readonly Finding[] {
  // Without a profile nobody is moved, and Knative sets the times of its pods itself.
  if (route.profile === "none" || application.kind === "Service") return [];
  const { preStopSeconds, graceSeconds, connections, connectionsBasis } = loadOf(
    application,
    snapshot,
  );
  const moving = connectionsBasis === "assumed" ? 0 : connections / gateway.movesPerSecond;
  const needed = Math.ceil(NOTICE_SECONDS + moving);
  const found: Finding[] = [];
  // A hook that does something else than sleep may know better.
  if (preStopSeconds !== undefined && preStopSeconds < needed) {
    const pod = { terminationGracePeriodSeconds: Math.max(graceSeconds, needed + 10) };
    const sum =
      moving === 0
        ? undefined
        : `${NOTICE_SECONDS} s + N / min(0.7 x A, r_max) = ${NOTICE_SECONDS} s + ${connections} / ${gateway.movesPerSecond}/s = ${needed} s`;
    found.push(
      finding("gateway-app-no-time", {
        object: application.object,
        path: [...application.main.path, "lifecycle"],
        found: `preStop takes ${seconds(preStopSeconds)} from the pod's deletion to SIGTERM, expected at least ${seconds(needed)}`,
        ...(sum === undefined ? {} : { sum }),
        fix: `Sleep ${needed} s in preStop. If the application serves on after SIGTERM until its clients have left, it needs no hook.`,
        patch: containerPatch(application, {
          container: application.main,
          change: { lifecycle: { preStop: { sleep: { seconds: needed } } } },
          pod,
        }),
      }),
    );
  }
  if (gateway.movesSeconds > graceSeconds)
    found.push(
      finding("gateway-window-over-grace", {
        object: application.object,
        path: [...application.podPath, "terminationGracePeriodSeconds"],
        found: `the gateway takes up to ${seconds(gateway.movesSeconds)} to empty a pod of route ${route.name}, and the pod is killed after ${seconds(graceSeconds)}`,
        sum: `moves.windowMs ${seconds(gateway.movesSeconds)} > terminationGracePeriodSeconds ${seconds(graceSeconds)}`,
        fix: "Give the pods as much time, or the gateway a shorter moves.windowMs: it then moves clients faster.",
      }),
    );
  return found;
}

/** Clients that come another way are on no held socket. */
function bypassed(
  { route, workload, application }: Behind & { readonly workload: Workload },
  snapshot: ClusterSnapshot,
): readonly Finding[] {
  if (route.profile === "none" || workload === application) return [];
  const ways = [
    ...ingressesOf(application, snapshot),
    ...routesOf(application, snapshot),
    ...application.services.filter(
      (service) => text(at(service.body, "spec", "type")) === "LoadBalancer",
    ),
  ];
  return ways.map((way) =>
    finding("gateway-bypassed", {
      object: way,
      found: `it leads to ${nameOf(application)}, which is also behind route ${route.name} of ${nameOf(workload)}`,
      fix: `Let it lead to Service ${workload.services[0]?.name ?? workload.object.name} of the gateway. Paths without sockets may stay.`,
    }),
  );
}

function wrongPort(
  { workload, route }: { readonly workload: Workload; readonly route: GatewayRoute },
  behind: readonly Workload[],
  snapshot: ClusterSnapshot,
): readonly Finding[] {
  const service = snapshot.one("Service", route.service, route.namespace);
  if (service === undefined || behind.length === 0) return [];
  const ports = list(at(service.body, "spec", "ports"));
  const isThere =
    route.port === undefined
      ? ports.length === 1
      : ports.some((port) =>
          typeof route.port === "string"
            ? text(at(port, "name")) === route.port
            : behind.some(
                (application) =>
                  portNumber(application, at(port, "targetPort") ?? at(port, "port")) ===
                  route.port,
              ),
        );
  if (isThere) return [];
  const ofService = ports.some((port) => number(at(port, "port")) === route.port);
  const has = ports
    .map((port) => {
      const target = text(at(port, "targetPort") ?? at(port, "port"));
      return `${text(at(port, "name")) ?? "unnamed"} (${target})`;
    })
    .join(", ");
  return [
    finding("gateway-port", {
      object: workload.object,
      found: `route ${route.name} asks for ${route.port === undefined ? "the only port" : `port ${route.port}`} of Service ${route.service}, whose ports are ${has}`,
      fix: `${ofService ? `${route.port} is the Service's own port. ` : ""}Name the port, or give the number that the pods listen on.`,
    }),
  ];
}
