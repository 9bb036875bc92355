// Re-exports of reading a live cluster.
export { type Credentials, credentialsOf, type Surroundings } from "./credentials.ts";
export {
  accessFromInside,
  type ClusterAccess,
  ClusterError,
  type ClusterErrorCode,
  type KubeconfigFile,
  readKubeconfig,
} from "./kubeconfig.ts";
export { type ClusterRead, type ClusterSelection, readCluster } from "./read-cluster.ts";
