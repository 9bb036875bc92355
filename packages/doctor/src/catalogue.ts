// Owns: every finding by its id: its default severity, what it is, and its effect on sockets.
// docs/operations/doctor.md has a section for each.
import type { Severity } from "./finding.ts";

interface Entry {
  readonly severity: Severity;
  /** What it is, in a few words. */
  readonly title: string;
  /** What will happen to sockets, in short sentences. */
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
    "When the grace period is over, the kubelet kills the process. Connections that have not moved by then are lost without a close frame.",
  ),
  "prestop-over-grace": error(
    "The preStop hook uses up the grace period",
    "The grace period also runs during preStop. So the process is killed before it learns that it should drain, or shortly after.",
  ),
  "no-pre-delay": warning(
    "The pod does not wait until the balancers know",
    "For 5 to 15 s after SIGTERM, balancers still send new clients to the pod. It does not accept them any more, so they are refused.",
  ),
  "deregistration-over-delay": warning(
    "The balancer takes longer to forget a pod than the pod waits",
    "The balancer still sends new clients to a pod whose listener is closed. They fail until the balancer has removed the pod.",
  ),
  "drain-impossible": error(
    "The connections of a pod cannot move in its window",
    "Even at full speed, some connections get no slot before the deadline. They are cut there, all at once.",
  ),
  "drain-hurried": warning(
    "The deadline makes the drain faster than the receiving pods should take",
    "The receiving pods get more handshakes a second than they should, and new clients wait.",
  ),
  "grace-over-autoscaler": warning(
    "The grace period is longer than the cluster autoscaler waits",
    "When the autoscaler removes a node, its pods are killed after 600 s, in the middle of their drain. Their grace period does not change that.",
  ),
  "sidecar-order": warning(
    "A proxy in the pod ends together with the application",
    "SIGTERM reaches all containers at once. When the proxy ends, connections through it are cut before they have moved.",
  ),
  "proxy-drain-short": error(
    "A proxy on the way gives up before the drain is over",
    "When the proxy's own drain ends, it cuts every connection that it still carries, all at once.",
  ),
  "idle-timeout": error(
    "A proxy on the way cuts silent connections too soon",
    "The proxy cuts a quiet connection each time the timeout ends. The client comes back each time.",
  ),
  "lifetime-limit": error(
    "Something on the way cuts connections at a fixed age",
    "Every connection is cut at this age, busy or not. Connections that began together are cut together and come back together.",
  ),
  "route-timeout": warning(
    "A request timeout on the route may count for WebSockets",
    "In some implementations the timeout ends at the upgrade. In the others, every connection is cut at this age.",
  ),
  "connection-limit": error(
    "A proxy on the way accepts fewer connections than the pods hold",
    "Above this many connections, new clients are refused with 503, although the pods have room.",
  ),
  "balancer-cuts-unready": warning(
    "The balancer cuts the connections of a pod that is not ready",
    "A pod fails the health check if it drains, is overloaded or is cut off from its broker. Then the balancer ends all its connections at once.",
  ),
  "request-buffer": error(
    "The gateway buffers requests of this route",
    "With buffering, the gateway does not upgrade to WebSocket. No client can connect.",
  ),
  "proxy-protocol": error(
    "Something on the way writes a PROXY header, which a node does not read",
    "Every connection is answered 400 Bad Request and closed. No client can connect, and the node's log does not show it.",
  ),
  "proxy-untrusted": warning(
    "A proxy on the way is not among the trusted ones",
    "All clients have the proxy's address and share its limits. Above limits.connectionsPerAddressMax they are refused.",
  ),
  "ingress-nginx-retired": warning(
    "ingress-nginx is retired, and each of its reloads cuts sockets",
    "Any change of any Ingress replaces the workers. Connections of the old workers are cut when worker-shutdown-timeout is over, all at once.",
  ),
  "liveness-is-readiness": warning(
    "Liveness and readiness ask the same",
    "A drain, a lost broker or too much load should only stop new clients. Here it restarts the container, and all its connections are cut.",
  ),
  "liveness-too-eager": warning(
    "The liveness probe fails quickly",
    "After one long pause, such as a mass reconnect, the container is killed with all its connections. Their return causes the next pause.",
  ),
  "liveness-on-public-port": error(
    "A probe asks the port that a drain closes",
    "The public listener closes when the drain begins. So the probe fails on a pod that works correctly.",
  ),
  "readiness-missing": warning(
    "There is no readiness probe",
    "New clients are sent to a pod before it listens. They are also sent to one that drains, is overloaded or cut off.",
  ),
  "pdb-missing": warning(
    "No disruption budget covers the pods",
    "A node drain or an upgrade may evict all pods at the same time. Then every connection is lost.",
  ),
  "pdb-blocks": error(
    "The disruption budget allows no eviction",
    "Node drains wait until somebody forces them, or until a cloud's limit (an hour on GKE) ends. Then the pod ends without a drain.",
  ),
  "pdb-allows-all": warning(
    "The disruption budget allows the eviction of all pods at once",
    "Node drains may take every connection at the same time.",
  ),
  "pdb-twice": error(
    "More than one disruption budget covers the pods",
    "The eviction API refuses every eviction, and node drains wait until they are forced.",
  ),
  "pdb-unhealthy": info(
    "Pods that are not ready cannot be evicted",
    "A broken pod blocks the drain of its node. Drains of other nodes wait, too.",
  ),
  "recreate-strategy": error(
    "A release ends all pods before new ones start",
    "Every connection is cut at the same moment. Clients find no pod until the new pods are ready.",
  ),
  "rollout-unavailable": warning(
    "A release removes pods before their replacements are ready",
    "While the new pods start, the others carry the connections of the missing ones.",
  ),
  "single-replica": warning(
    "There is a single pod",
    "When the pod ends, its connections have no other pod. Every failure and every release cuts all of them.",
  ),
  "min-ready-seconds": info(
    "New pods count as available at once",
    "A release continues with the next pod while the clients of the last one still arrive.",
  ),
  "no-topology-spread": warning(
    "Nothing spreads the pods",
    "The scheduler may put all pods on one machine. If that machine ends, every connection is cut at once.",
  ),
  "pods-together": warning(
    "Most pods run on one machine",
    "If that machine ends, most connections are cut at once. If it is drained, they all move at once to few pods.",
  ),
  "selector-switch": warning(
    "The Service changes its pods under live connections",
    "After the switch, old connections stay on the old pods. They are cut when those are scaled down. With IPVS they hang without a close.",
  ),
  "rollout-scale-down": warning(
    "The old pods end soon after promotion",
    "Connections do not move with the Service. Those on the old pods are drained, or cut, when the delay is over.",
  ),
  "memory-unbounded": warning(
    "The container asks for no memory",
    "If the machine runs out of memory, the kernel kills this pod first, with all its connections.",
  ),
  "memory-tight": error(
    "The memory limit is below what the connections need",
    "The container is killed for its memory when many clients connect, and all its connections are cut at once.",
  ),
  "session-affinity": warning(
    "The Service binds clients to pods by their address",
    "All clients behind one NAT or proxy get the same pod, and new pods get none. After a drain, clients are still sent to their old pod.",
  ),
  "traffic-distribution": info(
    "The Service prefers near pods",
    "If one zone gets more connections than the others, long connections keep that imbalance.",
  ),
  "app-protocol": info(
    "The port does not say that it speaks WebSocket",
    "A gateway may choose HTTP/2 or refuse the upgrade.",
  ),
  "outlier-ejection": warning(
    "Outlier detection may eject most of the pods",
    "Pods that drain answer 503. If they are ejected together, new clients find no pod.",
  ),
  "ambient-ztunnel": info(
    "The pods are in an ambient mesh",
    "An upgrade of ztunnel resets every connection on the node. Drain the node first.",
  ),
  "ipvs-mode": warning(
    "kube-proxy runs in IPVS mode",
    "If a pod has left its Service, its connections hang without FIN or RST. Clients notice only by their ping.",
  ),
  "hpa-no-stabilization": warning(
    "The autoscaler scales down faster than a drain",
    "Pods are removed, drained and added again. Each time their connections move.",
  ),
  "hpa-scale-down-policy": warning(
    "The autoscaler may remove many pods at once",
    "All of them drain at the same time. The remaining pods get all their connections at once.",
  ),
  "hpa-cpu-only": warning(
    "The autoscaler looks at the processor only",
    "Idle connections cost memory, not CPU. So the autoscaler removes pods that are full, and adds none before a mass reconnect.",
  ),
  "hpa-value-target": warning(
    "An external metric is compared as a whole",
    "Pods that drain count as running. So the target is missed for as long as a drain takes.",
  ),
  "replicas-with-autoscaler": warning(
    "The manifest sets the replicas that an autoscaler owns",
    "Each time the manifest is applied, the number of pods goes back to this one. The connections of the other pods are cut.",
  ),
  "vpa-evicts": warning(
    "The vertical autoscaler evicts pods",
    "It ends pods at any time to resize them, and all connections on them move.",
  ),
  "keda-to-zero": error(
    "KEDA may scale to zero",
    "Zero pods hold no connection. Idle connections are cut when the cooldown is over.",
  ),
  "keda-fallback": warning(
    "KEDA has no fallback that keeps the pods",
    "When the metric is lost, KEDA may use a wrong number and remove pods with connections.",
  ),
  "redis-single": warning(
    "Redis is a single pod",
    "If it ends, no node can publish until it is back. Histories are lost unless Redis keeps them on disk.",
  ),
  "redis-no-persistence": warning(
    "Redis keeps nothing on disk",
    "After its restart every history is empty. Clients that return are told of a gap instead of getting what they missed.",
  ),
  "redis-evicts": warning(
    "Redis may evict keys",
    "If memory is short, Redis removes histories and presence. Clients that return are told of gaps.",
  ),
  "netpol-blocks": error(
    "A NetworkPolicy allows nobody to reach the port",
    "New clients cannot connect, and after a drain no client can come back.",
  ),
  "knative-timeout": error(
    "Knative ends WebSockets by its request timeout",
    "Every connection is cut at this age. Knative allows 600 s at most.",
  ),
  "gateway-app-no-time": warning(
    "The pods behind a gateway end before their clients have moved",
    "The gateway moves the clients of a pod that is deleted. Those that are still on it when the application ends lose what it had not answered.",
  ),
  "gateway-window-over-grace": warning(
    "The gateway may take longer to empty a pod than the pod lives",
    "The gateway moves clients in its pace, whoever is about to be cut. Those that are left when the pod is killed lose what it had not answered.",
  ),
  "gateway-profile-none": warning(
    "The gateway knows nothing of the application's protocol",
    "Each release of the application closes its clients, with 1012.",
  ),
  "gateway-port": error(
    "The route of a gateway asks for a port that the Service does not have",
    "The gateway finds no endpoint. New clients get 503.",
  ),
  "gateway-bypassed": warning(
    "A way leads past the gateway to the application",
    "Clients that come this way are not held. Each release of the application cuts them.",
  ),
  "options-refused": error(
    "The node will refuse its options",
    "The pod does not start. A release stops with fewer pods than it should have.",
  ),
  "broker-alone": error(
    "Several nodes, each with a broker in its own memory",
    "Clients of different pods do not hear each other, and no session can move. A drain cuts every session at its deadline.",
  ),
  "resume-secret-missing": error(
    "Several nodes without a common resume secret",
    "No node can resume another's sessions. A session that moves begins anew, and its client is told of gaps.",
  ),
  "set-invalid": error(
    "The operator cannot read the RealtimeSet",
    "It does nothing with the set until that is mended. No release begins, and machine drains wait.",
  ),
  "receives-missing": error(
    "The Service also selects pods that should take nobody",
    "New clients and sessions that move reach pods that drain, and are refused. A canary has more or less than its share.",
  ),
  "set-unprotected": error(
    "Nothing keeps pods with people on them from being evicted",
    "A machine drain ends them before the operator has emptied them. Their connections move in a hurry, or are cut.",
  ),
  "two-scalers": error(
    "The set scales itself, and an autoscaler scales it",
    "The set's own number counts. The API server refuses what the autoscaler writes, which looks like an autoscaler that is broken.",
  ),
  "rebalance-twice": warning(
    "The nodes even out, and the operator does, too",
    "Nodes know neither shares nor releases. They move sessions back that the operator has moved.",
  ),
  "operator-key-missing": error(
    "The operator has no key to the nodes, or they do not know it",
    "It cannot ask who is on a pod, nor order a drain. Releases and machine drains wait.",
  ),
  "selector-overlap": error(
    "A RealtimeSet and another workload select the same pods",
    "The operator sees only its own pods. The others count for nobody, receive nobody, and end without a drain of its.",
  ),
  "set-stalled": error(
    "The set does not get to its template",
    "Everybody stays on the revision before. Pipelines that wait for the release fail.",
  ),
  "release-stuck": warning(
    "A release waits for somebody",
    "Two revisions serve until then. If pods fail meanwhile, there are fewer places than usual.",
  ),
  "operator-missing": error(
    "No operator looks after the set",
    "Connections stay. But no release goes on, no pod is replaced by scale, and machine drains wait for ever.",
  ),
  "operator-twice": error(
    "Two operators look after one namespace",
    "Both give orders to the same pods. Sessions move to and fro.",
  ),
  "crd-old": error(
    "The CRD is older than the operator",
    "The API server drops the fields that it does not know. The set does not do what its manifest says.",
  ),
} as const satisfies Readonly<Record<string, Entry>>;

export type FindingId = keyof typeof CATALOGUE;
