// Owns: every finding by its id: how grave it is by default, what it is, and what it does to
// sockets. docs/operations/doctor.md has a section for each.
import type { Severity } from "./finding.ts";

interface Entry {
  readonly severity: Severity;
  /** What it is, in a few words. */
  readonly title: string;
  /** What will happen to sockets, in one sentence. */
  readonly consequence: string;
}

const error = (title: string, consequence: string): Entry => ({
  severity: "error",
  title,
  consequence,
});
const warning = (title: string, consequence: string): Entry => ({
  severity: "warning",
  title,
  consequence,
});
const info = (title: string, consequence: string): Entry => ({
  severity: "info",
  title,
  consequence,
});

export const CATALOGUE = {
  "grace-too-short": error(
    "The grace period is shorter than the drain",
    "When it is over the kubelet kills the process: whoever has not moved by then loses the connection without a close frame.",
  ),
  "prestop-over-grace": error(
    "The preStop hook eats the grace period",
    "The grace clock runs during preStop, so the process is killed before, or shortly after, it learns that it should drain.",
  ),
  "no-pre-delay": warning(
    "Nothing waits until the balancers know",
    "For 5 to 15 s after SIGTERM newcomers are still sent to a pod that no longer takes them, and are refused.",
  ),
  "deregistration-over-delay": warning(
    "The balancer takes longer to forget a pod than the pod waits",
    "The balancer goes on sending newcomers to a pod whose listener is closed; they fail until it has heard.",
  ),
  "drain-impossible": error(
    "The connections of a pod cannot move in its window",
    "Even at full speed some connections have had no slot at the deadline: they are cut there, all at once.",
  ),
  "drain-hurried": warning(
    "The deadline drives the drain faster than is good for those who take over",
    "The pods that take the connections in get more set-ups a second than they should, and newcomers wait.",
  ),
  "grace-over-autoscaler": warning(
    "The grace period is longer than the cluster autoscaler waits",
    "When a node is scaled down, its pods are killed after 600 s whatever their grace period says, in the middle of their drain.",
  ),
  "sidecar-order": warning(
    "A proxy in the pod ends together with the application",
    "SIGTERM reaches all containers at once: connections that pass through the proxy are cut when it ends, before they were moved.",
  ),
  "proxy-drain-short": error(
    "A proxy on the way gives up before the drain is over",
    "When its own drain ends the proxy cuts every connection that it still carries, all at once.",
  ),
  "idle-timeout": error(
    "A proxy on the way cuts silent connections too soon",
    "A quiet connection is cut and comes back, again and again, at the pace of the timeout.",
  ),
  "lifetime-limit": error(
    "Something on the way cuts connections at a fixed age",
    "Every connection, busy or not, is cut at this age; those of one herd are cut together and come back together.",
  ),
  "route-timeout": warning(
    "A request timeout on the route may count for WebSockets",
    "Whether the timeout ends at the upgrade is up to the implementation: where it does not, every connection is cut at this age.",
  ),
  "connection-limit": error(
    "A proxy on the way takes fewer connections than the pods hold",
    "From this many connections on newcomers are refused with 503, although the pods have room.",
  ),
  "balancer-cuts-unready": warning(
    "The balancer cuts the connections of a pod that takes no newcomers",
    "A pod that drains, is overloaded or cut off from its broker fails the health check, and the balancer ends all its connections at once.",
  ),
  "request-buffer": error(
    "The gateway buffers requests of this route",
    "Buffering turns the WebSocket upgrade off: no client can connect.",
  ),
  "proxy-protocol": error(
    "Something on the way writes a PROXY header, which a node does not read",
    "Every connection is answered 400 Bad Request and closed: no client can connect, and the node's log says nothing of it.",
  ),
  "proxy-untrusted": warning(
    "A proxy on the way is not among the trusted ones",
    "All clients have the proxy's address and share the limits of one: beyond limits.connectionsPerAddressMax they are refused.",
  ),
  "ingress-nginx-retired": warning(
    "ingress-nginx is retired, and each of its reloads cuts sockets",
    "Any change of any Ingress replaces the workers; connections of the old ones are cut when worker-shutdown-timeout is over, all at once.",
  ),
  "liveness-is-readiness": warning(
    "Liveness and readiness ask the same",
    "What should only stop newcomers (a drain, a broker that is cut off, too much load) restarts the container, and all its connections are cut.",
  ),
  "liveness-too-eager": warning(
    "The liveness probe gives up quickly",
    "One long pause, such as a storm of reconnects, is taken for death: the container is killed with all its connections, whose return makes the next pause.",
  ),
  "liveness-on-public-port": error(
    "A probe asks the port that a drain closes",
    "The public listener closes when the drain begins: the probe fails on a pod that is working as it should.",
  ),
  "readiness-missing": warning(
    "There is no readiness probe",
    "Newcomers are sent to a pod before it listens, and to one that is draining, overloaded or cut off.",
  ),
  "pdb-missing": warning(
    "No disruption budget covers the pods",
    "A node drain or an upgrade may evict all pods at the same time, and with them every connection.",
  ),
  "pdb-blocks": error(
    "The disruption budget allows no eviction",
    "Node drains hang on it until somebody forces them or a cloud's patience (an hour on GKE) ends; then the pod goes without a drain.",
  ),
  "pdb-allows-all": warning(
    "The disruption budget allows all pods to go at once",
    "One node drain after the other may take every connection at the same time.",
  ),
  "pdb-twice": error(
    "More than one disruption budget covers the pods",
    "The eviction API refuses every eviction, and node drains hang until they are forced.",
  ),
  "pdb-unhealthy": info(
    "Pods that are not ready cannot be evicted",
    "A pod that is broken holds up the drain of its node, and the others' with it.",
  ),
  "recreate-strategy": error(
    "A release ends all pods before new ones start",
    "Every connection is cut at the same moment, and there is nowhere to go until the new pods are ready.",
  ),
  "rollout-unavailable": warning(
    "A release takes pods away before their replacement is ready",
    "The connections of the missing pods press upon the others while the new ones start.",
  ),
  "single-replica": warning(
    "There is a single pod",
    "When it goes its connections have nowhere to go: every failure and every release cuts all of them.",
  ),
  "min-ready-seconds": info(
    "New pods count as available at once",
    "A release goes on to the next pod while the clients of the last one still arrive.",
  ),
  "no-topology-spread": warning(
    "Nothing spreads the pods",
    "The scheduler may put all pods on one machine, whose end cuts every connection at once.",
  ),
  "selector-switch": warning(
    "The Service changes sides under live connections",
    "After the switch old connections depend on the old pods, and they are cut when those are scaled down; with IPVS they hang without a close.",
  ),
  "rollout-scale-down": warning(
    "The old pods go soon after promotion",
    "Connections do not move with the Service: all that are still on the old pods are drained, or cut, when the delay is over.",
  ),
  "memory-unbounded": warning(
    "The container asks for no memory",
    "Under pressure the kernel kills this pod first, with all its connections.",
  ),
  "memory-tight": error(
    "The memory limit is below what the connections need",
    "The container is killed for its memory when it fills up, and all its connections are cut at once.",
  ),
  "session-affinity": warning(
    "The Service sticks clients to pods by their address",
    "Everybody behind one NAT or proxy lands on the same pod, and new pods get nobody; after a drain the clients are held where they are.",
  ),
  "traffic-distribution": info(
    "The Service prefers near pods",
    "Long connections keep the skew for good that one zone's crowd made.",
  ),
  "app-protocol": info(
    "The port does not say that it speaks WebSocket",
    "A gateway may choose HTTP/2 or refuse the upgrade.",
  ),
  "outlier-ejection": warning(
    "Outlier detection may eject most of the pods",
    "Pods that drain answer 503; ejected together, they leave newcomers nowhere to go.",
  ),
  "ambient-ztunnel": info(
    "The pods are in an ambient mesh",
    "An upgrade of ztunnel resets every connection on the node; drain the node first.",
  ),
  "ipvs-mode": warning(
    "kube-proxy runs in IPVS mode",
    "Connections to a pod that left its Service hang without FIN or RST: clients learn of it from their ping only.",
  ),
  "hpa-no-stabilization": warning(
    "The autoscaler goes down faster than a drain",
    "Pods are taken away, drained and added again; each time their connections move.",
  ),
  "hpa-scale-down-policy": warning(
    "The autoscaler may take many pods at once",
    "All of them drain together into what is left, which gets their connections at the same time.",
  ),
  "hpa-cpu-only": warning(
    "The autoscaler looks at the processor only",
    "Idle connections cost memory, not CPU: it removes pods that are full, and adds none for a herd that is coming.",
  ),
  "hpa-value-target": warning(
    "An external metric is compared as a whole",
    "Pods that drain count as running, so the target is missed for as long as a drain takes.",
  ),
  "replicas-with-autoscaler": warning(
    "The manifest sets the replicas that an autoscaler owns",
    "Each time it is applied the pods go back to this number, and the connections of the others are cut.",
  ),
  "vpa-evicts": warning(
    "The vertical autoscaler evicts pods",
    "It ends pods to resize them whenever it likes, and all connections on them move.",
  ),
  "keda-to-zero": error(
    "KEDA may scale to zero",
    "Zero pods hold no connection: those that are idle are cut when the cooldown is over.",
  ),
  "keda-fallback": warning(
    "KEDA has no fallback that keeps the pods",
    "When the metric is lost the wrong number may be taken, and pods with connections go.",
  ),
  "redis-single": warning(
    "Redis is a single pod",
    "When it goes no node can publish until it is back; histories are gone unless it keeps them on disk.",
  ),
  "redis-no-persistence": warning(
    "Redis keeps nothing on disk",
    "Its restart begins every history anew: clients that return are told of a gap instead of getting what they missed.",
  ),
  "redis-evicts": warning(
    "Redis may evict keys",
    "Under pressure it drops histories and presence; clients that return are told of gaps.",
  ),
  "netpol-blocks": error(
    "A NetworkPolicy lets nobody to the port",
    "Newcomers cannot connect, and after a drain nobody can come back.",
  ),
  "knative-timeout": error(
    "Knative ends WebSockets by its request timeout",
    "Every connection is cut at this age; Knative allows 600 s at most.",
  ),
  "options-refused": error(
    "The node will refuse its options",
    "The pod does not start: a release stops half way, with fewer pods than it should have.",
  ),
  "broker-alone": error(
    "Several nodes, each with a broker in its own memory",
    "Clients of different pods do not hear each other, and no session can move: a drain cuts everyone at its deadline.",
  ),
  "resume-secret-missing": error(
    "Several nodes without a common resume secret",
    "No node can resume another's sessions: whoever moves starts anew, and is told of gaps.",
  ),
} as const satisfies Readonly<Record<string, Entry>>;

export type FindingId = keyof typeof CATALOGUE;
