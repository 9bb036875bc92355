// Owns: a hop on a client's way to a pod, with the figures by which it cuts connections.

import type { KubeObject, Path } from "@holdfast/kube";
import type { Patch } from "../finding.ts";

/** One figure of a hop: a time in seconds or a count. */
export interface Knob {
  readonly value: number;
  /** Whether a manifest says it, or it is the product's default. */
  readonly set: boolean;
  /** Its name where it is set: an annotation, a field. */
  readonly name: string;
  readonly object: KubeObject;
  readonly path?: Path;
  /** The patch that sets it; absent where it is set outside of these manifests. */
  readonly patch?: (value: number) => Patch;
  /** The most that the product takes. */
  readonly most?: number;
  /** How to set it, where no patch can. */
  readonly how?: string;
}

/**
 * A balancer or a gateway is an entrance of its own; a policy holds for every way; a sidecar stands
 * in the pod.
 */
export type NetworkHopKind = "balancer" | "gateway" | "policy" | "sidecar";

export interface NetworkHop {
  readonly kind: NetworkHopKind;
  /** As the way is drawn: `Ingress web (ingress-nginx)`. */
  readonly name: string;
  /** What stands in front of it. */
  readonly before?: readonly NetworkHop[];
  /** Closes a connection on which nothing passed for so long. */
  readonly idle?: Knob;
  /** Closes a connection of this age, whatever passes on it. */
  readonly lifetime?: Knob;
  /** Lets connections live for so long after it, or the pod behind it, was told to go. */
  readonly drain?: Knob;
  /** What `drain` counts from: the pod's deletion (the preStop hook included) or its SIGTERM. */
  readonly drainFrom?: "deletion" | "sigterm";
  /** Refuses more connections than this, all pods together. */
  readonly connections?: Knob;
  /** How long it goes on sending newcomers to a pod that is going. */
  readonly deregistration?: Knob;
  /** Its age has a finding of its own. */
  readonly product?: "knative";
}
