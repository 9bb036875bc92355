// Re-exports of reading a live cluster.

export { type Credentials, credentialsOf, type Surroundings } from "./credentials.ts";
export { ADDED_KINDS, CORE_KINDS, type ListedKind, OPERATOR_KINDS } from "./kinds.ts";
export {
  accessFromInside,
  type ClusterAccess,
  ClusterError,
  type ClusterErrorCode,
  type KubeconfigFile,
  readKubeconfig,
} from "./kubeconfig.ts";
export { type ClusterRead, type ClusterSelection, readCluster } from "./read-cluster.ts";
export {
  ROLLOUT_KINDS,
  type RolloutKind,
  type RolloutRead,
  type RolloutSource,
  rolloutReader,
} from "./read-rollout.ts";
