// Owns: Events of Kubernetes that tell people what was done to an object: repeated ones counted,
// limited for each object, and never the trouble of whoever records.
import { at, type Json, text } from "../reading.ts";
import type { KubeApi } from "./kube-api.ts";
import { KubeApiError } from "./kube-api-error.ts";
import { microTime } from "./lease-record.ts";
import { type KubePorts, machinePorts, quietly } from "./ports.ts";

export interface KubeEvent {
  /** The object that it is about, with apiVersion, kind and metadata. */
  readonly regarding: Json;
  readonly type: "Normal" | "Warning";
  /** In CamelCase, such as `DrainBegan`. */
  readonly reason: string;
  /** What was done or tried, in CamelCase. */
  readonly action: string;
  /** For people; cut at 1024 bytes, as the API server wants. */
  readonly note: string;
}

/** What became of an Event, for metrics. */
export interface RecorderEvent {
  readonly type: "written" | "counted" | "limited" | "dropped" | "failed";
  readonly error?: KubeApiError;
}

export interface EventRecorderOptions extends Partial<KubePorts> {
  readonly api: Pick<KubeApi, "create" | "merge">;
  /** Such as `holdfast.dev/operator`. */
  readonly controller: string;
  /** Such as the pod's name. */
  readonly instance: string;
  readonly tell?: (event: RecorderEvent) => void;
}

export interface EventRecorder {
  /** Returns at once and never throws. */
  record(event: KubeEvent): void;
  /** Writes what waits, also the counts, and resolves when that is done or has failed. */
  flush(): Promise<void>;
  stop(): void;
}

const NOTE_BYTES_MAX = 1024;
/** Writes that wait for the API server; more are dropped. */
const WAITING_MAX = 200;
/** Events that are remembered so that repetitions are counted; the oldest is forgotten. */
const SERIES_MAX = 1000;
/** A repetition after this is an Event of its own. */
const SERIES_MS = 360_000;
/** Between two writes of a count. */
const COUNT_MS = 30_000;
/** For each object, and apart for warnings: so many at once, then one a minute. */
const BURST = 25;
const REFILL_MS = 60_000;
const OBJECTS_MAX = 1000;

interface Series {
  /** Known once the server has made it. */
  path: string | undefined;
  count: number;
  writtenCount: number;
  lastMs: number;
  lastWallMs: number;
  cancel: (() => void) | undefined;
}

export function createEventRecorder(options: EventRecorderOptions): EventRecorder {
  const { clock, random } = { ...machinePorts, ...options };
  const { api, controller, instance } = options;
  const tell = quietly(options.tell);
  const series = new Map<string, Series>();
  const tokens = new Map<string, { left: number; atMs: number }>();
  const waiting: (() => Promise<void>)[] = [];
  let writing: Promise<void> | undefined;
  let isStopped = false;

  const enqueue = (write: () => Promise<void>): void => {
    if (waiting.length >= WAITING_MAX) return tell({ type: "dropped" });
    waiting.push(write);
    writing ??= drain();
  };
  const drain = async (): Promise<void> => {
    // Never inside of the call that recorded.
    await undefined;
    for (let write = waiting.shift(); write !== undefined; write = waiting.shift()) await write();
    writing = undefined;
  };
  const attempt = async (write: () => Promise<void>): Promise<boolean> => {
    try {
      await write();
      return true;
    } catch (error) {
      tell({ type: "failed", ...(error instanceof KubeApiError ? { error } : {}) });
      return false;
    }
  };

  const mayWrite = ({ type }: KubeEvent, object: string): boolean => {
    const of = `${type} ${object}`;
    const nowMs = clock.nowMs();
    const held = tokens.get(of) ?? { left: BURST, atMs: nowMs };
    const left = Math.min(BURST, held.left + (nowMs - held.atMs) / REFILL_MS);
    tokens.delete(of);
    tokens.set(of, { left: left >= 1 ? left - 1 : left, atMs: nowMs });
    forgetOldest(tokens, OBJECTS_MAX);
    return left >= 1;
  };

  const writeCount = (one: Series): void => {
    one.cancel = undefined;
    if (one.path === undefined || one.count === one.writtenCount) return;
    const { path, count } = one;
    const lastObservedTime = microTime(one.lastWallMs);
    enqueue(async () => {
      if (
        await attempt(
          async () => void (await api.merge(path, { series: { count, lastObservedTime } })),
        )
      )
        one.writtenCount = count;
    });
  };

  const begin = (event: KubeEvent, key: string): void => {
    const one: Series = {
      ...{ path: undefined, count: 1, writtenCount: 1, cancel: undefined },
      ...{ lastMs: clock.nowMs(), lastWallMs: clock.wallMs() },
    };
    series.delete(key);
    series.set(key, one);
    forgetOldest(series, SERIES_MAX);
    const suffix = Math.floor(random.next() * 2 ** 48).toString(16);
    const body = bodyOf(event, { controller, instance, suffix, time: microTime(one.lastWallMs) });
    const path = `/apis/events.k8s.io/v1/namespaces/${namespaceOf(event.regarding)}/events`;
    enqueue(async () => {
      if (!(await attempt(async () => void (await api.create(path, body))))) return;
      one.path = `${path}/${text(at(body, "metadata", "name"))}`;
      tell({ type: "written" });
    });
  };

  return {
    record: (event) => {
      if (isStopped) return;
      const uid = text(at(event.regarding, "metadata", "uid")) ?? "";
      const key = JSON.stringify([uid, event.type, event.reason, event.action, event.note]);
      const one = series.get(key);
      if (one !== undefined && clock.nowMs() - one.lastMs < SERIES_MS) {
        one.count += 1;
        one.lastMs = clock.nowMs();
        one.lastWallMs = clock.wallMs();
        one.cancel ??= clock.after(COUNT_MS, () => writeCount(one));
        tell({ type: "counted" });
      } else if (mayWrite(event, uid)) begin(event, key);
      else tell({ type: "limited" });
    },
    flush: async () => {
      await writing;
      for (const one of series.values()) {
        one.cancel?.();
        writeCount(one);
      }
      await writing;
    },
    stop: () => {
      isStopped = true;
      waiting.length = 0;
      for (const one of series.values()) one.cancel?.();
    },
  };
}

function forgetOldest(map: Map<string, unknown>, max: number): void {
  for (const key of map.keys()) {
    if (map.size <= max) return;
    map.delete(key);
  }
}

/** No character is cut in two. */
function cut(note: string): string {
  const bytes = new TextEncoder().encode(note.slice(0, NOTE_BYTES_MAX));
  return bytes.length <= NOTE_BYTES_MAX
    ? note.slice(0, NOTE_BYTES_MAX)
    : new TextDecoder().decode(bytes.subarray(0, NOTE_BYTES_MAX)).replace(/\uFFFD+$/, "");
}

const namespaceOf = (regarding: Json): string =>
  text(at(regarding, "metadata", "namespace")) ?? "default";

function bodyOf(
  event: KubeEvent,
  by: {
    readonly controller: string;
    readonly instance: string;
    readonly suffix: string;
    readonly time: string;
  },
): Json {
  const name = text(at(event.regarding, "metadata", "name")) ?? "unnamed";
  const namespace = namespaceOf(event.regarding);
  const metadata = at(event.regarding, "metadata");
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    // A name has at most 253 characters.
    metadata: { name: `${name.slice(0, 230)}.${by.suffix}`, namespace },
    eventTime: by.time,
    reportingController: by.controller,
    reportingInstance: by.instance.slice(0, 128),
    type: event.type,
    reason: event.reason.slice(0, 128),
    action: event.action.slice(0, 128),
    note: cut(event.note),
    regarding: {
      apiVersion: event.regarding.apiVersion,
      kind: event.regarding.kind,
      name,
      namespace: at(metadata, "namespace"),
      uid: at(metadata, "uid"),
      resourceVersion: at(metadata, "resourceVersion"),
    },
  };
}
