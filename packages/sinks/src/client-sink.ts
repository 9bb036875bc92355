// Owns: what sinks with a client have in common: joining it, the time of a write, leaving it when
// it is in doubt.
import {
  type Sink,
  type SinkBatch,
  type SinkContext,
  SinkError,
  type SinkRefusals,
} from "@holdfast/pipelines/sink";
import type { ClientPool } from "./client-pool.ts";
import { within } from "./faults.ts";

export interface ClientSinkParts<T> {
  readonly clients: ClientPool<T>;
  /** Has everything that the client is opened with. */
  readonly name: () => string;
  readonly open: () => Promise<T>;
  /** Writes a batch. Whatever it throws goes through `faultOf`. */
  readonly put: (client: T, batch: SinkBatch) => Promise<SinkRefusals | undefined>;
  readonly faultOf: (error: unknown) => SinkError;
}

/**
 * A sink around a client that others share. If a write fails in any way but a refusal of single
 * records, the client is closed: what it still has to send never goes out.
 */
export function clientSink<T>(context: SinkContext, parts: ClientSinkParts<T>): Sink {
  const { clients, open, put, faultOf } = parts;
  const who = {};
  let name: string | undefined;
  let isClosed = false;
  const cut = (): void => {
    if (name !== undefined) void clients.cut(who, name);
  };
  return {
    async write(batch) {
      try {
        return await within(
          context.timeoutMs,
          async () => {
            if (isClosed) throw new SinkError("unavailable", "the sink is closed");
            name ??= parts.name();
            return put(await clients.join(who, name, open), batch);
          },
          cut,
        );
      } catch (error) {
        cut();
        throw faultOf(error);
      }
    },
    async close() {
      isClosed = true;
      if (name !== undefined) await clients.leave(who, name);
    },
  };
}
