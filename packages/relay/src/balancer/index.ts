// Re-exports of the balancer for development, tests and proofs.
export {
  type Backend,
  type BackendState,
  type Balancer,
  BalancerError,
  type BalancerOptions,
  startBalancer,
} from "./balancer.ts";
