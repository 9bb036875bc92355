// Owns: who may talk to whom under NetworkPolicies, as a cluster's network decides it: what no
// policy selects is open, what one selects is closed but for its rules.
import type { KubeObject, Values } from "./helm.ts";

export interface Peer {
  /** Labels of the pod; undefined for an address outside of the cluster. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly namespace: string;
  readonly address?: string;
  /** Container ports by name. */
  readonly ports?: Readonly<Record<string, number>>;
}

interface Rule {
  readonly from?: readonly PolicyPeer[];
  readonly to?: readonly PolicyPeer[];
  readonly ports?: readonly { readonly port: number | string; readonly protocol?: string }[];
}

interface PolicyPeer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string };
}

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
}

interface PolicySpec {
  readonly podSelector: Selector;
  readonly policyTypes: readonly ("Ingress" | "Egress")[];
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

export interface Attempt {
  readonly from: Peer;
  readonly to: Peer;
  readonly port: number;
  readonly protocol?: "TCP" | "UDP";
}

/** Whether both ends let the connection be. */
export function allowed(policies: readonly KubeObject[], attempt: Attempt): boolean {
  const { from, to } = attempt;
  return (
    decides(policies, "Egress", from, (rule) => fits(rule.to, rule, to, attempt)) &&
    decides(policies, "Ingress", to, (rule) => fits(rule.from, rule, from, attempt))
  );
}

function decides(
  policies: readonly KubeObject[],
  type: "Ingress" | "Egress",
  at: Peer,
  rule: (rule: Rule) => boolean,
): boolean {
  const selecting = policies
    .filter(({ kind, metadata }) => kind === "NetworkPolicy" && metadata.namespace === at.namespace)
    .map(({ spec }) => spec as unknown as PolicySpec)
    .filter(
      (spec) =>
        at.labels !== undefined &&
        matches(spec.podSelector, at.labels) &&
        spec.policyTypes.includes(type),
    );
  if (selecting.length === 0) return true;
  return selecting.some((spec) =>
    ((type === "Ingress" ? spec.ingress : spec.egress) ?? []).some(rule),
  );
}

function fits(
  peers: readonly PolicyPeer[] | undefined,
  rule: Rule,
  other: Peer,
  { to, port, protocol = "TCP", from }: Attempt,
): boolean {
  const home = other === to ? from.namespace : to.namespace;
  const knows = peers === undefined || peers.some((peer) => isPeer(peer, other, home));
  // A name is that of a port of the pod that is connected to.
  const numberOf = (name: number | string) => (typeof name === "number" ? name : to.ports?.[name]);
  return (
    knows &&
    (rule.ports === undefined ||
      rule.ports.some(
        (entry) => numberOf(entry.port) === port && (entry.protocol ?? "TCP") === protocol,
      ))
  );
}

function isPeer(
  { ipBlock, namespaceSelector, podSelector }: PolicyPeer,
  other: Peer,
  home: string,
): boolean {
  if (ipBlock !== undefined)
    return other.address !== undefined && inRange(other.address, ipBlock.cidr);
  if (other.labels === undefined) return false;
  const namespace =
    namespaceSelector === undefined
      ? other.namespace === home
      : matches(namespaceSelector, { "kubernetes.io/metadata.name": other.namespace });
  return namespace && (podSelector === undefined || matches(podSelector, other.labels));
}

function matches({ matchLabels = {} }: Selector, labels: Values): boolean {
  return Object.entries(matchLabels).every(([name, value]) => labels[name] === value);
}

function inRange(address: string, cidr: string): boolean {
  const [network = "", bits = "32"] = cidr.split("/");
  const number = (text: string) =>
    text.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = 2 ** (32 - Number(bits));
  return Math.floor(number(address) / size) === Math.floor(number(network) / size);
}
