// Re-exports of the client that writes and watches.

export {
  type CredentialsSource,
  type CredentialsSourceOptions,
  credentialsSource,
} from "./credentials-source.ts";
export {
  createEventRecorder,
  type EventRecorder,
  type EventRecorderOptions,
  type KubeEvent,
  type RecorderEvent,
} from "./event-recorder.ts";
export {
  createKubeApi,
  type KubeApi,
  type KubeApiOptions,
  type KubeList,
  type KubeWatchEvent,
  type KubeWatcher,
  type PagesRequest,
  type RemoveOptions,
  type WatchRequest,
} from "./kube-api.ts";
export { KubeApiError } from "./kube-api-error.ts";
export { Lease, type LeaseEvent, type LeaseOptions } from "./lease.ts";
export { microTime } from "./lease-record.ts";
export type { Change } from "./object-cache.ts";
export {
  type BackoffLimits,
  type KubeClock,
  type KubePorts,
  type KubeRandom,
  machinePorts,
} from "./ports.ts";
export { Reflector, type ReflectorEvent, type ReflectorOptions } from "./reflector.ts";
export { WorkQueue, type WorkQueueEvent, type WorkQueueOptions } from "./work-queue.ts";
