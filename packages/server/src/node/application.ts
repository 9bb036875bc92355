// Owns: what the application's code needs and a node starts: its dependencies and its log.
import type { Dependencies, ServerLog } from "@holdfast/contract";
import type { ServerEvents } from "../events.ts";
import { redact } from "../log/redact.ts";
import { StartError } from "./start-error.ts";

/** The application's dependencies while they run. */
export interface RunningApplication {
  readonly log: ServerLog;
  readonly dependencies: unknown;
  /** Stops what was started. Never rejects: failures are logged. Again: nothing. */
  stop(): Promise<void>;
}

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 5_000;

/** Throws StartError `dependencies_failed` if `start` throws, rejects or takes over 60 s. */
export async function startApplication(
  definition: Dependencies | undefined,
  events: Pick<ServerEvents, "application" | "bug">,
): Promise<RunningApplication> {
  const log = serverLog(events);
  if (definition === undefined) return { log, dependencies: undefined, stop: async () => {} };
  const starting = (async () => definition.start({ log }))();
  let dependencies: unknown;
  try {
    dependencies = await within(starting, START_MS_MAX);
  } catch (error) {
    // It may come up after all: nobody would stop it.
    void starting.then((late) => stopped(definition, late, events)).catch(() => {});
    // An address of a database may hold its password.
    const { found } = redact({ found: error instanceof Error ? error.message : String(error) });
    throw new StartError("dependencies_failed", [
      `Cannot start the contract's dependencies: found ${found}`,
    ]);
  }
  let stopping: Promise<void> | undefined;
  return {
    log,
    dependencies,
    stop: () => {
      stopping ??= stopped(definition, dependencies, events);
      return stopping;
    },
  };
}

/** Lines of the event `application`, with the log's own limits. */
function serverLog(events: Pick<ServerEvents, "application">): ServerLog {
  const line =
    (level: "debug" | "info" | "warn" | "error") =>
    (text: string, fields: Readonly<Record<string, unknown>> = {}): void =>
      events.application({ ...fields, text, level });
  return { debug: line("debug"), info: line("info"), warn: line("warn"), error: line("error") };
}

async function stopped(
  definition: Dependencies,
  dependencies: unknown,
  events: Pick<ServerEvents, "bug">,
): Promise<void> {
  try {
    await within((async () => definition.stop?.(dependencies))(), STOP_MS_MAX);
  } catch (error) {
    events.bug({ where: "stop of the contract's dependencies", error });
  }
}

async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new TimeoutError(ms)), ms);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

class TimeoutError extends Error {
  readonly code = "timeout";
  constructor(ms: number) {
    super(`no end within ${ms / 1000} s`);
    this.name = "TimeoutError";
  }
}
