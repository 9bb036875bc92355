// Owns: the labels, annotations and names by which the operator marks what is a RealtimeSet's.

/** On ReplicaSets and pods: the name of their RealtimeSet. Watches select by it. */
export const SET_LABEL = "holdfast.dev/set";
/** Of a pod template: its revision. Nodes read their own revision from it. */
export const REVISION_LABEL = "pod-template-hash";
/** A budget of no disruptions selects pods with it: somebody may be on them. */
export const PROTECTED_LABEL = "holdfast.dev/protected";
/** Services select pods with it: newcomers and sessions that move are sent there. */
export const RECEIVES_LABEL = "holdfast.dev/receives";
/** Of a Deployment: the RealtimeSet with the same selector takes its pods over. */
export const ADOPT_ANNOTATION = "holdfast.dev/adopt";
/** Of a RealtimeSet: its ReplicaSets are let go, for a Deployment with the same selector. */
export const HAND_OVER_ANNOTATION = "holdfast.dev/hand-over";

/** Of the budget that keeps a set's pods from being evicted. */
export const budgetName = (set: string): string => `${set}-protected`;
