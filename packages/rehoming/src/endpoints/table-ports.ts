// Owns: what a table of endpoints is told and asked.
import type { CohortWeights } from "./cohorts.ts";
import type { HealthLimits } from "./health.ts";

export interface EndpointTableOptions {
  /** Open and opening sockets to one endpoint. Default: no limit. */
  readonly connectionsMax?: number;
  /**
   * An endpoint that is new, or well again, takes its full share only after so long. Until then its
   * share grows evenly, from a tenth.
   */
  readonly slowStartMs?: number;
  readonly health?: Partial<HealthLimits>;
  /** How clients are divided among revisions. Default: they are not. */
  readonly cohorts?: CohortWeights | undefined;
}

export interface Choice {
  /** The endpoint that the client leaves: an order may say where its clients go. */
  readonly from?: string | undefined;
  /** Endpoints that are not wanted, if there is any other. */
  readonly not?: ReadonlySet<string> | undefined;
  /** Preferred; others get clients if those of the zone have twice as many for their weight. */
  readonly zone?: string | undefined;
  /** Uniform in [0, 1): which of equals. */
  readonly chance: number;
  /** Clients with the same key get the same endpoint, while it takes clients. */
  readonly key?: string | undefined;
  /** The client's place among the cohorts, in [0, 1). Absent: any revision will do. */
  readonly cohort?: number | undefined;
}

/** `outdated`: a lower token than the last. `drained`: it keeps nobody. */
export type OrderResult = "obeyed" | "unknown" | "outdated" | "drained";
