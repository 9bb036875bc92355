// Owns: what a node is made of, and what it is for whoever made it.
import type { ContractDefinition } from "@holdfast/contract";
import type {
  Broker,
  Clock,
  DrainProgress,
  NodeControl,
  NodeInfo,
  NodeState,
} from "@holdfast/core";
import type {
  LogSourceDefinition,
  PipelineDefinition,
  SeenRecord,
  SinkAdapter,
} from "@holdfast/pipelines";
import type { Logger } from "../log/index.ts";
import type { Config } from "../options/index.ts";
import type { ProcessingFigures } from "./processing.ts";
import type { Page } from "./public-listener.ts";
import type { SourceSupport } from "./sources.ts";

export interface NodeOptions {
  readonly config: Config;
  readonly logger: Logger;
  /** Version of the program, for logs and metrics. */
  readonly version: string;
  /** What the application's contract file exports. */
  readonly contract?: ContractDefinition;
  /** Absent: the one that option broker.url names. The node closes it when it stops. */
  readonly broker?: Broker;
  /** Absent: the process's clock. */
  readonly clock?: Clock;
  /** In addition to those of the contract, by name. */
  readonly pipelines?: ReadonlyMap<string, PipelineDefinition>;
  /** Sinks of pipelines beside `channel`. */
  readonly sinks?: readonly SinkAdapter[];
  /** Logs to read, in addition to those of the contract, by name. */
  readonly sources?: ReadonlyMap<string, LogSourceDefinition>;
  /** What reads them; absent: the node cannot have sources. */
  readonly sourceSupport?: SourceSupport;
  /** Values that options of sinks, sources and back ends name; absent: there are none. */
  readonly secret?: (name: string) => string | undefined;
  /** Told of each record that goes to a sink, for whoever watches. MUST NOT throw. */
  readonly seen?: (seen: SeenRecord) => void;
  /** Answers requests outside `/connect` and the API; undefined: 404. */
  readonly page?: Page;
}

export interface HoldfastNode {
  readonly id: string;
  readonly state: NodeState;
  readonly control: NodeControl;
  /** Ports that the node listens on; 0 before `start`. */
  readonly port: number;
  readonly internalPort: number;
  /** Of MQTT over TCP; 0 if the node does not listen there. */
  readonly mqttPort: number;
  /** Of MQTT over TLS; 0 if the node does not listen there. */
  readonly mqttTlsPort: number;
  info(): NodeInfo;
  /** What pipelines, their sinks, and sources do on this node. */
  processing(): ProcessingFigures;
  /**
   * Changes options of the engine from now on. Options that the table does not call live keep their
   * values until the next start.
   */
  configure(config: Config): void;
  /** Listens, and is ready when it resolves. Throws StartError, with nothing left open. */
  start(): Promise<void>;
  /**
   * The node is not ready at once. After the pre-delay the listener closes. Resolves when each
   * connection has moved, was told to leave, or was cut at the deadline.
   */
  drain(options?: {
    readonly windowMs?: number;
    readonly preDelayMs?: number;
  }): Promise<DrainProgress>;
  /** Ends at once; answers how many connections were cut. */
  stop(): Promise<number>;
}
