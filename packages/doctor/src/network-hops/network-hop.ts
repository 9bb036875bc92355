// Owns: a hop on a client's path to a pod, with the figures by which it cuts connections.

import type { KubeObject, Path } from "@holdfast/kube";
import type { Patch } from "../finding.ts";

/** One figure of a hop: a time in seconds or a count. */
export interface Knob {
  readonly value: number;
  /** Whether a manifest sets it, or it is the product's default. */
  readonly set: boolean;
  /** The name of the annotation or field that sets it. */
  readonly name: string;
  readonly object: KubeObject;
  readonly path?: Path;
  /** The patch that sets it; absent if it is set outside of these manifests. */
  readonly patch?: (value: number) => Patch;
  /** The most that the product takes. */
  readonly most?: number;
  /** How to set it, if no patch can. */
  readonly how?: string;
}

/**
 * A balancer or a gateway is its own entrance; a policy applies to every path; a sidecar is in the
 * pod.
 */
export type NetworkHopKind = "balancer" | "gateway" | "policy" | "sidecar";

export interface NetworkHop {
  readonly kind: NetworkHopKind;
  /** As the way is drawn: `Ingress web (ingress-nginx)`. */
  readonly name: string;
  /** The hop in front of it. */
  readonly before?: readonly NetworkHop[];
  /** Closes a connection that was idle for this long. */
  readonly idle?: Knob;
  /** Closes a connection of this age, whatever passes on it. */
  readonly lifetime?: Knob;
  /** How long connections live after the hop, or the pod behind it, was told to end. */
  readonly drain?: Knob;
  /** What `drain` counts from: the pod's deletion (the preStop hook included) or its SIGTERM. */
  readonly drainFrom?: "deletion" | "sigterm";
  /** Refuses more connections than this, all pods together. */
  readonly connections?: Knob;
  /** How long it still sends newcomers to a pod that is ending. */
  readonly deregistration?: Knob;
  /** Its age has a finding of its own. */
  readonly product?: "knative";
}
