// Owns: a view's StateStore over the memory broker's table.
import { BrokerError } from "../broker-error.ts";
import { demandStateKey, demandStateOwner, demandStateValue, stateMs } from "../state-limits.ts";
import type { StateStore } from "../state-port.ts";
import type { StateRefusal, StateTable, StateTime } from "./state-table.ts";

const REFUSALS: Readonly<Record<StateRefusal, string>> = {
  fenced: "another took the state, or it ended",
  full: "the broker keeps as much state as it may",
  share: "the user or address has as much state as it may have",
};

const refused = (code: StateRefusal): BrokerError => new BrokerError(code, REFUSALS[code]);

/** `change` ends what has ended, then runs a change of the table. `demand` throws BrokerError. */
export function memoryStates(
  change: <T>(task: (table: StateTable, time: StateTime) => T) => T,
  demand: () => void,
): StateStore {
  return {
    take: async (key, options) => {
      demand();
      demandStateKey(key);
      demandStateOwner(options.owner);
      const leaseMs = stateMs(options.leaseMs);
      const taken = change((table, time) => table.take(key, { ...options, leaseMs }, time));
      if (typeof taken === "string") throw refused(taken);
      return taken;
    },
    write: async (key, hold, value, options) => {
      demand();
      demandStateKey(key);
      demandStateValue(value);
      const [leaseMs, keepMs] = [stateMs(options.leaseMs), stateMs(options.keepMs)];
      const refusal = change((table, { nowMs }) =>
        table.write(key, hold, value, { ...options, leaseMs, keepMs, nowMs }),
      );
      if (refusal !== undefined) throw refused(refusal);
    },
    renew: async (holds, leaseMs) => {
      demand();
      const ms = stateMs(leaseMs);
      return change((table, { nowMs }) =>
        holds.filter((hold) => !table.renew(hold.key, hold, ms, nowMs)).map(({ key }) => key),
      );
    },
    release: async (key, hold) => {
      demand();
      change((table, { nowMs }) => table.release(key, hold, nowMs));
    },
    read: async (key) => {
      demand();
      demandStateKey(key);
      return change((table, { nowMs }) => table.read(key, nowMs));
    },
    list: async (query) => {
      demand();
      return change((table) => table.list(query));
    },
  };
}
