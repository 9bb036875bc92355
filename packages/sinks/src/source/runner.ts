// Owns: the sources of one node: each is a bridge that reads while it holds the lease, with its
// counts and its pace.
import type { Outcome } from "@holdfast/contract";
import {
  FINAL_CODES,
  type LogSourceDefinition,
  type NodeSources,
  type SourceDeadReason,
  type SourceFigures,
  type SourcePorts,
} from "@holdfast/pipelines/source";
import { type BridgeEvent, SourceBridge } from "./bridge.ts";
import { SourcePace } from "./pace.ts";
import { mapRecord } from "./record-mapping.ts";
import { type SourceAdapter, SourceError, type SourceRecord } from "./source.ts";

/** How long one request to a log may take. */
const TIMEOUT_MS = 10_000;
const LOOK_MS = 250;
/** Dead records of a reason are logged at most so often. */
const QUIET_MS = 10_000;
/** Characters of a dead record that its channel gets. */
const DEAD_TEXT_MAX = 1_000;

/** A log whose adapter and options are right. Throws if there is no adapter. */
export class SourceRunner implements NodeSources {
  readonly #ports: SourcePorts;
  readonly #sources: readonly RunningSource[];
  #cancel: (() => void) | undefined;
  #isStopped = false;

  constructor(
    definitions: ReadonlyMap<string, LogSourceDefinition>,
    adapters: readonly SourceAdapter[],
    ports: SourcePorts,
  ) {
    this.#ports = ports;
    this.#sources = [...definitions].map(([name, definition]) => {
      const adapter = adapters.find(({ kind }) => kind === definition.source);
      if (adapter === undefined)
        throw new SourceError("refused", `there is no source "${definition.source}"`);
      return new RunningSource(name, definition, { adapter, ports });
    });
  }

  /** Reads while the node serves: from now on, and again after a drain that was undone. */
  start(): void {
    if (this.#isStopped || this.#cancel !== undefined || this.#sources.length === 0) return;
    const look = (): void => {
      const isServing = this.#ports.isServing();
      for (const source of this.#sources) {
        if (isServing) source.start();
        else void source.stop();
      }
      this.#cancel = this.#ports.clock.after(LOOK_MS, look);
    };
    look();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#cancel?.();
    await Promise.all(this.#sources.map((source) => source.stop()));
  }

  figures(): readonly SourceFigures[] {
    return this.#sources.map((source) => source.figures());
  }
}

interface RunningParts {
  readonly adapter: SourceAdapter;
  readonly ports: SourcePorts;
}

class RunningSource {
  readonly #name: string;
  readonly #definition: LogSourceDefinition;
  readonly #parts: RunningParts;
  readonly #pace = new SourcePace();
  readonly #counts = { published: 0, empty: 0, bytes: 0, lost: 0, failures: 0 };
  readonly #dead: Record<SourceDeadReason, number> = { unreadable: 0, name: 0, refused: 0 };
  readonly #toldMs = new Map<SourceDeadReason, number>();
  #bridge: SourceBridge | undefined;
  #ending: Promise<void> | undefined;
  #isReading = false;
  #isHeldBack = false;
  #isRefused = false;
  #lag = 0;

  constructor(name: string, definition: LogSourceDefinition, parts: RunningParts) {
    this.#name = name;
    this.#definition = definition;
    this.#parts = parts;
  }

  figures(): SourceFigures {
    return {
      name: this.#name,
      isReading: this.#isReading,
      ...this.#counts,
      dead: { ...this.#dead },
      lag: this.#lag,
      isHeldBack: this.#isHeldBack,
      isRefused: this.#isRefused,
    };
  }

  start(): void {
    if (this.#bridge !== undefined || this.#ending !== undefined) return;
    const { adapter, ports } = this.#parts;
    const { node, states, clock, random, secret } = ports;
    this.#bridge = new SourceBridge({
      name: this.#name,
      source: adapter.open(this.#definition, { timeoutMs: TIMEOUT_MS, secret }),
      ...{ states, clock, random },
      owner: `${node}/${random.id().slice(0, 8)}`,
      start: this.#definition.start ?? "oldest",
      publish: (record, key) => this.#publish(record, key),
      admit: (records, signal) => this.#admit(records, signal),
      onEvent: (event) => this.#heard(event),
    });
    this.#bridge.start();
  }

  stop(): Promise<void> {
    const bridge = this.#bridge;
    if (bridge === undefined) return this.#ending ?? Promise.resolve();
    this.#bridge = undefined;
    this.#ending = bridge.stop().finally(() => {
      this.#ending = undefined;
    });
    return this.#ending;
  }

  #heard(event: BridgeEvent): void {
    const { observer } = this.#parts.ports;
    switch (event.kind) {
      case "reading":
        this.#isReading = true;
        return observer.reading(this.#name);
      case "released":
        this.#isReading = false;
        this.#isHeldBack = false;
        this.#lag = 0;
        return observer.released(this.#name);
      case "waiting":
        this.#isRefused = false;
        return;
      case "behind":
        this.#lag = event.records;
        return;
      case "taken":
        this.#isRefused = false;
        return;
      case "lost":
        this.#counts.lost += event.records;
        return observer.lost(this.#name, event.partition, event.records);
      case "failed":
        this.#counts.failures += 1;
        this.#isRefused = event.error instanceof SourceError && event.error.code === "refused";
        return observer.failed(this.#name, textOf(event.error), event.againMs);
    }
  }

  /** Waits until pipelines are near enough; then, how many may go. */
  async #admit(records: readonly SourceRecord[], signal: AbortSignal): Promise<number> {
    const { clock, behind } = this.#parts.ports;
    const channel = this.#channelOf(records);
    if (channel === undefined) return records.length;
    for (;;) {
      const now = behind(channel);
      const most =
        now === undefined ? records.length : Math.max(1, Math.floor(now.historySize / 8));
      const count = Math.min(records.length, most);
      const waitMs = this.#pace.waitMs(count, now, clock.nowMs());
      this.#isHeldBack = waitMs > 0;
      if (waitMs === 0 || signal.aborted) return count;
      await new Promise<void>((resolve) => {
        const cancel = clock.after(waitMs, resolve);
        signal.addEventListener(
          "abort",
          () => {
            cancel();
            resolve();
          },
          { once: true },
        );
      });
    }
  }

  /** Of the first that has one: a source has one template, and so nearly always one pattern. */
  #channelOf(records: readonly SourceRecord[]): string | undefined {
    for (const record of records.slice(0, 10)) {
      const mapped = this.#mapped(record);
      if (mapped.kind === "publication") return mapped.channel;
    }
    return undefined;
  }

  #mapped(record: SourceRecord) {
    const { classOf } = this.#parts.ports;
    return mapRecord(this.#definition, record, (channel) => classOf(channel) === "latest");
  }

  async #publish(record: SourceRecord, idempotencyKey: string): Promise<void> {
    const mapped = this.#mapped(record);
    if (mapped.kind === "empty") {
      this.#counts.empty += 1;
      return;
    }
    if (mapped.kind === "dead")
      return this.#bury(record, idempotencyKey, { reason: mapped.reason, why: mapped.why });
    const { channel, payload, key } = mapped;
    const outcome = await this.#parts.ports.publish(channel, {
      payload,
      idempotencyKey,
      ...(key === undefined ? {} : { key }),
    });
    if (outcome.ok) {
      this.#counts.published += 1;
      this.#counts.bytes += record.data.byteLength;
      return;
    }
    if (!FINAL_CODES.has(outcome.code)) throw new SourceError("unavailable", told(outcome));
    return this.#bury(record, idempotencyKey, { reason: "refused", why: told(outcome) });
  }

  /** Counted when the channel of the dead has it, so that none is counted that comes again. */
  async #bury(
    record: SourceRecord,
    idempotencyKey: string,
    { reason, why }: { readonly reason: SourceDeadReason; readonly why: string },
  ): Promise<void> {
    const { ports } = this.#parts;
    const { dead } = this.#definition;
    if (dead !== undefined) {
      const { name: topic, partition, position, key, timeMs, data } = record;
      const text = new TextDecoder().decode(data.subarray(0, DEAD_TEXT_MAX));
      const letter = { source: this.#name, reason, why, topic, partition, position, key };
      const outcome = await ports.publish(dead, {
        payload: { kind: "json", text: JSON.stringify({ ...letter, timeMs, text }) },
        idempotencyKey,
      });
      if (!outcome.ok && !FINAL_CODES.has(outcome.code))
        throw new SourceError("unavailable", told(outcome));
    }
    this.#dead[reason] += 1;
    const nowMs = ports.clock.nowMs();
    if (nowMs - (this.#toldMs.get(reason) ?? Number.NEGATIVE_INFINITY) < QUIET_MS) return;
    this.#toldMs.set(reason, nowMs);
    ports.observer.dead(this.#name, reason, why);
  }
}

const told = (outcome: Outcome<unknown> & { readonly ok: false }): string =>
  `${outcome.code}: ${outcome.message}`;

/** Errors of ours alone: those of clients may hold addresses and values. */
function textOf(error: unknown): string {
  if (error instanceof SourceError) return `${error.code}: ${error.message}`;
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown };
  return `${String(name)}${typeof code === "string" ? ` (${code})` : ""}`;
}
