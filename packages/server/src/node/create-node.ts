// Owns: one node put together: engine, broker, authentication, listeners and metrics. It also owns
// the node's life from start to the last connection.
import { takeLive } from "@holdfast/config";
import {
  type Broker,
  BrokerError,
  createNodeEngine,
  type DrainProgress,
  type NodeControl,
  type NodeEngine,
  type NodeInfo,
  type NodeState,
} from "@holdfast/core";
import type { MqttDoor } from "@holdfast/door-mqtt";
import type { TicketAuthenticator } from "../auth/index.ts";
import { createEvents, createObserver, type ServerEvents, stallWatcher } from "../events.ts";
import { createReadiness, type Readiness } from "../http/index.ts";
import {
  createMetrics,
  type EventLoopSampler,
  type Metrics,
  startEventLoopSampler,
} from "../metrics/index.ts";
import { type Config, NODE_OPTIONS, nodeSettings } from "../options/index.ts";
import { BunGroups } from "../sockets/bun-sockets.ts";
import { type RunningApplication, startApplication } from "./application.ts";
import { nodeAuthenticator } from "./authentication.ts";
import { certificateEndsMs } from "./certificate.ts";
import { loadContract, PAYLOAD_VALUES } from "./contract.ts";
import { type InternalListener, listenInternal } from "./internal-listener.ts";
import { Load } from "./load.ts";
import { listenMqtt, type MqttListeners, mqttDoor } from "./mqtt.ts";
import type { HoldfastNode, NodeOptions } from "./node.ts";
import { nodeProcessing, type Processing, type ProcessingFigures } from "./processing.ts";
import { listenPublic, type PublicListener } from "./public-listener.ts";
import { StartError } from "./start-error.ts";
import { systemClock, systemRandom } from "./system.ts";
import { openBrokerListening } from "./waiting-listener.ts";
import { withBroker } from "./with-broker.ts";

/**
 * Last bytes of a slow peer may be queued when its connection counts as closed
 * (docs/design/runtime.md).
 */
const FLUSH_MS = 500;
const SELF_CHECK_MS = 2000;

/**
 * Checks contract and keys, and waits for the broker: until that is reached, the internal listener
 * says so. Then nothing listens until `start`. Throws StartError.
 */
export async function createNode(options: NodeOptions): Promise<HoldfastNode> {
  const { config, logger } = options;
  const id = config.nodeId ?? `node-${systemRandom.id().slice(0, 8)}`;
  const metrics = createMetrics({ node: id, revision: config.revision, version: options.version });
  const events = createEvents(logger.with({ node: id }));
  logger.onSuppressed(() => metrics.recorder.logSuppressed());
  const contract = loadContract(options, { recorder: metrics.recorder, events });
  const authenticator = nodeAuthenticator(config, {
    recorder: metrics.recorder,
    events,
    random: systemRandom,
  });
  const waited: Partial<Awaited<ReturnType<typeof openBrokerListening>>> =
    options.broker === undefined ? await openBrokerListening(config, id, { events, metrics }) : {};
  const broker = options.broker ?? (waited.broker as Broker);
  if (contract.wantsDurable && !broker.durable && !config.broker.allowNonDurable) {
    await broker.close();
    throw new StartError("broker_unsuitable", [NOT_DURABLE]);
  }
  const application = await withBroker(broker, () =>
    startApplication(contract.dependencies, events),
  );
  const groups = new BunGroups();
  const load = new Load();
  const clock = options.clock ?? systemClock;
  const engine = createNodeEngine({
    clock,
    random: systemRandom,
    broker,
    authenticator,
    contract,
    observer: createObserver(metrics.observer, events),
    groups,
    values: PAYLOAD_VALUES,
    settings: nodeSettings(config, { nodeId: id }),
    application,
    vitals: () => load.vitals(),
  });
  const processing = await withBroker(
    broker,
    () =>
      nodeProcessing(options, {
        id,
        engine,
        broker,
        contract,
        clock,
        random: systemRandom,
        events,
        adapters: options.sinks ?? [],
        secret: options.secret ?? (() => undefined),
        seen: options.seen,
      }),
    application,
  );
  // Before it begins: it never becomes ready if it was ordered to drain.
  waited.orders?.carryOut(engine);
  return new RunningNode(id, options, {
    application,
    authenticator,
    engine,
    ...processing,
    mqtt: mqttDoor(config, {
      recorder: metrics.recorder,
      nodeId: id,
      engine,
      broker,
      contract,
      clock,
      random: systemRandom,
      events,
    }),
    metrics,
    broker,
    groups,
    events,
    load,
  });
}

const NOT_DURABLE =
  "Cannot keep durable channels: found a broker whose data ends with its process, expected a durable one, or broker.allowNonDurable for development";

interface Built extends Processing {
  readonly application: RunningApplication;
  readonly authenticator: TicketAuthenticator;
  readonly engine: NodeEngine;
  readonly mqtt: MqttDoor | undefined;
  readonly metrics: Metrics;
  readonly broker: Broker;
  readonly groups: BunGroups;
  readonly events: ServerEvents;
  readonly load: Load;
}

class RunningNode implements HoldfastNode {
  readonly id: string;
  readonly #options: NodeOptions;
  readonly #built: Built;
  readonly #readiness: Readiness;
  /** The configuration in force: live options change. */
  #config: Config;
  #sockets: PublicListener | undefined;
  #mqtt: MqttListeners | undefined;
  #internal: InternalListener | undefined;
  #sampler: EventLoopSampler | undefined;
  #stopListening: ReturnType<typeof setTimeout> | undefined;
  #selfCheck: ReturnType<typeof setInterval> | undefined;
  #startedMs = 0;
  #listened = false;

  constructor(id: string, options: NodeOptions, built: Built) {
    const { engine, broker, events, metrics, load, pipelines, sources, mqtt } = built;
    this.id = id;
    this.#options = options;
    this.#config = options.config;
    this.#built = built;
    this.#readiness = createReadiness({
      state: () => engine.state,
      probe: () => broker.probe(),
      overload: () => load.overload(engine.nodes().filter(({ node }) => node !== id)),
      onChange: ({ ready, reasons }) =>
        events.readinessChanged({ ready, reasons: reasons.map(({ detail }) => detail) }),
    });
    metrics.bind({
      info: () => engine.info(),
      nodes: () => engine.nodes(),
      ready: () => this.#readiness.wasReady(),
      taps: () => engine.taps.figures(),
      pipelines: () => pipelines.figures(),
      sinks: () => pipelines.sinks(),
      logs: () => sources.figures(),
      mqtt: mqtt === undefined ? undefined : () => mqtt.figures(),
      eventLoopWorstMs: () => this.#sampler?.worstMs() ?? 0,
      brokerUp: () => load.brokerOk,
      brokerUsage: () => broker.usage(),
      connectionsMax: options.config.limits.connectionsMax,
      certificateEndsMs: certificateEndsMs(options.config.tls.certFile),
    });
  }

  get state(): NodeState {
    return this.#built.engine.state;
  }

  get control(): NodeControl {
    return this.#built.engine;
  }

  get port(): number {
    return this.#sockets?.port ?? 0;
  }

  get mqttPort(): number {
    return this.#mqtt?.port ?? 0;
  }

  get mqttTlsPort(): number {
    return this.#mqtt?.tlsPort ?? 0;
  }

  get internalPort(): number {
    return this.#internal?.port ?? 0;
  }

  info(): NodeInfo {
    return this.#built.engine.info();
  }

  processing(): ProcessingFigures {
    const { pipelines, sources } = this.#built;
    return {
      pipelines: pipelines.figures(),
      sinks: pipelines.sinks(),
      sources: sources.figures(),
    };
  }

  configure(config: Config): void {
    this.#config = takeLive(NODE_OPTIONS, this.#config, config).config;
    this.#built.engine.configure(nodeSettings(this.#config, { nodeId: this.id }));
  }

  async start(): Promise<void> {
    const { config, version } = this.#options;
    const { engine, events } = this.#built;
    this.#startedMs = performance.now();
    events.nodeStarting({
      node: this.id,
      revision: config.revision,
      version,
      broker: config.broker.url.split(":")[0] ?? "",
    });
    try {
      await engine.start();
      this.#sampler = startEventLoopSampler(this.#lagListener());
      this.#internal = listenInternal(config, { readiness: this.#readiness, ...this.#built });
      const { page } = this.#options;
      this.#sockets = listenPublic(config, { ...this.#built, page });
      this.#mqtt = listenMqtt(config, this.#built);
      await this.#readiness.check();
      this.#built.pipelines.start();
      this.#built.sources.start();
      this.#selfCheck = setInterval(() => void this.#checkSelf(), SELF_CHECK_MS);
    } catch (error) {
      await this.stop();
      if (error instanceof StartError) throw error;
      const found = error instanceof BrokerError ? error.message : "an unexpected error";
      throw new StartError("broker_unavailable", [`Cannot start: found ${found}`], {
        cause: error,
      });
    }
    this.#listened = true;
    events.nodeListening({
      url: `${config.tls.certFile === undefined ? "http" : "https"}://${config.host}:${this.port}`,
      internalUrl: `http://${config.internalHost}:${this.internalPort}`,
      startedInMs: Math.round(performance.now() - this.#startedMs),
    });
  }

  async drain(
    options: { readonly windowMs?: number; readonly preDelayMs?: number } = {},
  ): Promise<DrainProgress> {
    const { engine } = this.#built;
    const preDelayMs = options.preDelayMs ?? this.#config.drain.preDelayMs;
    const done = engine.drain({ ...options, isFinal: true });
    // Balancers still send newcomers until they have heard that the node is not ready.
    this.#stopListening ??= setTimeout(
      () => engine.state === "draining" && this.#stopTaking(),
      preDelayMs,
    );
    const [progress] = await Promise.all([done, this.#built.pipelines.drain()]);
    if (engine.state === "draining") {
      this.#sockets?.endStreams();
      await Bun.sleep(FLUSH_MS);
    }
    return progress;
  }

  async stop(): Promise<number> {
    const { application, engine, broker, events, mqtt, pipelines, sources } = this.#built;
    const cut = engine.info().connections;
    clearTimeout(this.#stopListening);
    clearInterval(this.#selfCheck);
    this.#sampler?.stop();
    await sources.stop();
    await pipelines.stop();
    engine.stop();
    this.#sockets?.end();
    this.#mqtt?.end();
    await mqtt?.stop();
    void this.#internal?.stop();
    await application.stop();
    await broker.close();
    if (this.#listened)
      events.nodeStopped({ uptimeMs: Math.round(performance.now() - this.#startedMs), cut });
    this.#listened = false;
    return cut;
  }

  #stopTaking(): void {
    this.#sockets?.stopListening();
    this.#mqtt?.stopListening();
  }

  /** The other nodes want to know as well whether a publish arrives. */
  async #checkSelf(): Promise<void> {
    const { reasons } = await this.#readiness.check();
    this.#built.load.brokerOk = !reasons.some(({ reason }) => reason === "broker");
  }

  #lagListener(): (ms: number) => void {
    const { metrics, events, load } = this.#built;
    const watchStalls = stallWatcher(events);
    return (ms) => {
      metrics.recorder.eventLoopLag(ms);
      load.lag(ms);
      watchStalls(ms);
    };
  }
}
