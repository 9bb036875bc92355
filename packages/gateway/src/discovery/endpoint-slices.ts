// Owns: what all slices of one Service say together. Pure.
import { at, type Json, list, number, text } from "@holdfast/kube";
import type { Endpoint } from "@holdfast/rehoming";

export interface SliceReading {
  /** By its name, or the number that the pods listen on. Undefined: the only one. */
  readonly port?: string | number | undefined;
  /** More endpoints are left out, those that take nobody first. */
  readonly endpointsMax: number;
  /** Slices of a second Service: only pods that it has, too, take new clients. */
  readonly receiving?: Iterable<Json> | undefined;
  /** Revision of the pod of this name. */
  readonly revisionOf?: ((pod: string) => string | undefined) | undefined;
}

export interface SlicesRead {
  /** Sorted by address; each address once. */
  readonly endpoints: readonly Endpoint[];
  /** Addresses that terminate, also those that take clients because nobody else is there. */
  readonly ending: ReadonlySet<string>;
  /** What is wrong with the slices, for people. */
  readonly trouble: string | undefined;
}

/** One endpoint as one slice has it. */
interface Seen {
  readonly address: string;
  readonly host: string;
  /** Newer slices have higher ones. */
  readonly version: bigint;
  readonly zone: string | undefined;
  readonly pod: string | undefined;
  readonly isReady: boolean;
  readonly isServing: boolean;
  readonly isTerminating: boolean;
}

const FAMILIES = ["IPv4", "IPv6"] as const;

/**
 * Merges slices: an address that two of them have counts as the newer one says. Of a Service with
 * two families the first counts, so that no pod is there twice.
 */
export function readSlices(slices: Iterable<Json>, reading: SliceReading): SlicesRead {
  const all = [...slices];
  const family = FAMILIES.find((one) => all.some(({ addressType }) => addressType === one));
  const ofFamily = all.filter(({ addressType }) => addressType === family);
  const newest = new Map<string, Seen>();
  let hasPort = false;
  for (const slice of ofFamily) {
    const port = portOf(slice, reading.port);
    if (port === undefined) continue;
    hasPort = true;
    for (const seen of seenIn(slice, port)) {
      const other = newest.get(seen.address);
      if (other === undefined || isNewer(seen, other)) newest.set(seen.address, seen);
    }
  }
  const seen = [...newest.values()];
  const receivers = reading.receiving === undefined ? undefined : readyHosts(reading.receiving);
  const merged = offered(seen, receivers, reading.revisionOf);
  const endpoints = merged.slice(0, reading.endpointsMax);
  return {
    endpoints: endpoints.toSorted((a, b) => (a.address < b.address ? -1 : 1)),
    ending: new Set(seen.flatMap((one) => (one.isTerminating ? [one.address] : []))),
    trouble:
      all.length === 0
        ? "no EndpointSlice is there: the Service is missing, or has no selector"
        : family === undefined
          ? "its EndpointSlices have no IP addresses"
          : !hasPort && ofFamily.some((slice) => list(slice.endpoints).length > 0)
            ? `no slice has ${portName(reading.port)}; they have ${portsIn(ofFamily)}`
            : merged.length > endpoints.length
              ? `${merged.length} endpoints, of which ${reading.endpointsMax} are used`
              : undefined,
  };
}

/** Those that take clients first, then by address. */
function offered(
  seen: readonly Seen[],
  receivers: ReadonlySet<string> | undefined,
  revisionOf: SliceReading["revisionOf"] = () => undefined,
): readonly Endpoint[] {
  const isAnyReady = seen.some(({ isReady, isTerminating }) => isReady && !isTerminating);
  const takes = (one: Seen): boolean =>
    one.isTerminating
      ? // Nobody else is there: as kube-proxy does, those that still serve are used until one is.
        !isAnyReady && one.isServing
      : one.isReady && receivers?.has(one.host) !== false;
  return seen
    .map((one): Endpoint => {
      const isTaking = takes(one);
      const revision = one.pod === undefined ? undefined : revisionOf(one.pod);
      return {
        address: one.address,
        takes: isTaking,
        ...(one.isTerminating && !isTaking ? { leaves: true } : {}),
        ...(one.zone === undefined ? {} : { zone: one.zone }),
        ...(revision === undefined ? {} : { revision }),
      };
    })
    .toSorted((a, b) => Number(b.takes) - Number(a.takes) || (a.address < b.address ? -1 : 1));
}

/** Pods that a Service would send somebody to. */
function readyHosts(slices: Iterable<Json>): ReadonlySet<string> {
  const newest = new Map<string, Seen>();
  for (const slice of slices)
    for (const seen of seenIn(slice, 0)) {
      const other = newest.get(seen.host);
      if (other === undefined || isNewer(seen, other)) newest.set(seen.host, seen);
    }
  return new Set([...newest.values()].flatMap(({ host, isReady }) => (isReady ? [host] : [])));
}

function seenIn(slice: Json, port: number): readonly Seen[] {
  const version = versionOf(slice);
  return list(slice.endpoints).flatMap((endpoint): readonly Seen[] => {
    const [host] = list(at(endpoint, "addresses")).map(text);
    if (host === undefined || host === "") return [];
    const { ready, serving, terminating } = conditionsOf(endpoint);
    return [
      {
        host,
        address: `${host.includes(":") ? `[${host}]` : host}:${port}`,
        version,
        zone: text(at(endpoint, "zone")),
        pod:
          text(at(endpoint, "targetRef", "kind")) === "Pod"
            ? text(at(endpoint, "targetRef", "name"))
            : undefined,
        // Unknown is true for readiness, and serving is as ready (discovery.k8s.io/v1).
        isReady: ready ?? true,
        isServing: serving ?? ready ?? true,
        isTerminating: terminating ?? false,
      },
    ];
  });
}

function conditionsOf(endpoint: unknown) {
  const condition = (name: string): boolean | undefined => {
    const value = at(endpoint, "conditions", name);
    return typeof value === "boolean" ? value : undefined;
  };
  return {
    ready: condition("ready"),
    serving: condition("serving"),
    terminating: condition("terminating"),
  };
}

/** Of equally new ones, the one that ends counts: nobody is sent to it by mistake. */
function isNewer(one: Seen, other: Seen): boolean {
  return one.version === other.version
    ? one.isTerminating && !other.isTerminating
    : one.version > other.version;
}

function versionOf(slice: Json): bigint {
  const version = text(at(slice, "metadata", "resourceVersion")) ?? "";
  return /^\d{1,30}$/.test(version) ? BigInt(version) : 0n;
}

interface SlicePort {
  readonly name: string;
  /** Undefined: every port. */
  readonly port: number | undefined;
}

function portsOf(slice: Json): readonly SlicePort[] {
  return list(slice.ports)
    .filter((port) => (text(at(port, "protocol")) ?? "TCP") === "TCP")
    .map((port) => ({ name: text(at(port, "name")) ?? "", port: number(at(port, "port")) }));
}

function portOf(slice: Json, wanted: SliceReading["port"]): number | undefined {
  const ports = portsOf(slice);
  if (wanted === undefined) return ports.length === 1 ? ports[0]?.port : undefined;
  if (typeof wanted === "string") return ports.find(({ name }) => name === wanted)?.port;
  return ports.some(({ port }) => port === wanted || port === undefined) ? wanted : undefined;
}

function portName(wanted: SliceReading["port"]): string {
  if (wanted === undefined) return "a single port, so that the route must name one";
  return typeof wanted === "string"
    ? `a port named ${wanted}`
    : `port ${wanted}, which is the pods' own and not the Service's`;
}

function portsIn(slices: readonly Json[]): string {
  const all = slices.flatMap(portsOf).map(({ name, port }) => `${port ?? "all"} ${name}`.trim());
  return [...new Set(all)].join(", ") || "none";
}
