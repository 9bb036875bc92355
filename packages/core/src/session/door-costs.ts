// Owns: what a door's own work costs a client: packets that the engine never sees, bytes that wait
// in the door, and what the door lets the broker keep.
import type { Observer } from "../observer.ts";
import type { Connection } from "./connection.ts";
import type { HeldBytes } from "./held-bytes.ts";
import type { KeptBytes } from "./kept-bytes.ts";
import type { Rates } from "./rates.ts";
import type { Sessions } from "./sessions.ts";

/** What a door tells the engine of its own work. After the connection's end nothing happens. */
export interface DoorCosts {
  /**
   * The door carried out `count` packets of `bytes` together that gave nothing back. Over the rate
   * of frames they count as refused; a connection that does not stop is ended as `flooded`.
   */
  took(connection: Connection, count: number, bytes: number): void;
  /**
   * So many bytes more of the client wait in the door; fewer, if it is below 0. False: its user or
   * address holds too much, and the connection was ended.
   */
  hold(connection: Connection, bytes: number): boolean;
  /**
   * The broker will keep so many bytes more for the client's user or address, for about `ttlMs`.
   * False: it has too much, and nothing is charged.
   */
  keep(connection: Connection, bytes: number, ttlMs: number): boolean;
}

/** What the costs need of the node. */
export interface DoorCostsNeeds {
  readonly rates: Pick<Rates, "frames" | "received" | "floods">;
  readonly heldBytes: Pick<HeldBytes, "charge" | "release">;
  readonly keptBytes: Pick<KeptBytes, "keep">;
  readonly observer: Pick<Observer, "overShare">;
  readonly sessions: Pick<Sessions, "end">;
}

export function createDoorCosts(needs: DoorCostsNeeds): DoorCosts {
  const { rates, heldBytes, keptBytes, observer, sessions } = needs;
  return {
    took(connection, count, bytes) {
      if (connection.phase === "ended") return;
      rates.frames(connection, count);
      rates.received(connection, bytes);
      if (rates.floods(connection)) sessions.end(connection, "flooded");
    },
    hold(connection, bytes) {
      if (connection.phase === "ended") return true;
      if (bytes <= 0) heldBytes.release(connection, -bytes);
      else if (!heldBytes.charge(connection, bytes)) {
        observer.overShare("held");
        sessions.end(connection, "flooded");
        return false;
      }
      return true;
    },
    keep(connection, bytes, ttlMs) {
      const fits = keptBytes.keep(connection.party, bytes, ttlMs);
      if (!fits) observer.overShare("kept");
      return fits;
    },
  };
}
