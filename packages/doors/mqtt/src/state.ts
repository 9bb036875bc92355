// Owns: what of a session outlives its connection, and its form in the broker.
import type { KeptEntitlement } from "@holdfast/core";
import { textOf } from "@holdfast/protocol/node";
import { utf8 } from "./bytes.ts";
import type { Qos } from "./decode.ts";

/** A subscription as it is kept. */
export interface KeptFilter {
  readonly filter: string;
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: number;
  readonly subscriptionId: number | undefined;
}

/** A message of QoS 1 or 2 that was sent. `isReleased`: PUBREC came for it. */
export interface KeptInFlight {
  readonly offset: number;
  readonly pid: number;
  readonly qos: Qos;
  readonly isReleased: boolean;
}

/**
 * How far a session got in a channel: everything up to `passed` is done, but what is in flight.
 */
export interface KeptProgress {
  readonly channel: string;
  readonly epoch: string;
  readonly passed: number;
  readonly inFlight: readonly KeptInFlight[];
}

/** A message of QoS 2 of the client, until PUBREL. `isTaken`: the broker has it. */
export interface KeptInbound {
  readonly pid: number;
  readonly number: number;
  readonly isTaken: boolean;
}

export interface KeptSession {
  /** Names this session in idempotency keys: unguessable, and never used again. */
  readonly id: string;
  readonly entitlement: KeptEntitlement;
  readonly filters: readonly KeptFilter[];
  readonly progress: readonly KeptProgress[];
  readonly inbound: readonly KeptInbound[];
  /** Numbers of messages of QoS 2 that were used. */
  readonly lastNumber: number;
  readonly lastPid: number;
  /** Where the will is that waits for its time; whoever takes the session voids it. */
  readonly will?: string | undefined;
  /** Nothing goes on: only its will waits. */
  readonly isOver?: boolean | undefined;
}

const FORM = 1;

export function writeSession(session: KeptSession): Uint8Array {
  const { id, entitlement: e, filters, progress, inbound, lastNumber, lastPid } = session;
  return utf8(
    JSON.stringify([
      FORM,
      id,
      [e.sinceMs, e.policy, e.right],
      filters.map((f) => [
        f.filter,
        f.qos,
        (f.noLocal ? 1 : 0) | (f.retainAsPublished ? 2 : 0),
        f.retainHandling,
        f.subscriptionId ?? 0,
      ]),
      progress.map((p) => [
        p.channel,
        p.epoch,
        p.passed,
        p.inFlight.flatMap((one) => [one.offset, one.pid, one.qos, one.isReleased ? 1 : 0]),
      ]),
      inbound.flatMap(({ pid, number, isTaken }) => [pid, number, isTaken ? 1 : 0]),
      lastNumber,
      lastPid,
      session.will ?? 0,
      session.isOver === true ? 1 : 0,
    ]),
  );
}

type Row = readonly unknown[];

/** Undefined: a node of another version wrote it, so the session begins anew. */
export function readSession(bytes: Uint8Array): KeptSession | undefined {
  try {
    const [form, id, e, filters, progress, inbound, lastNumber, lastPid, will, isOver] = JSON.parse(
      textOf(bytes, 0, bytes.length),
    ) as Row;
    if (form !== FORM) return undefined;
    const [sinceMs, policy, right] = e as [number, string, string];
    return {
      id: id as string,
      entitlement: { sinceMs, policy, right },
      filters: (filters as Row[]).map(readFilter),
      progress: (progress as Row[]).map(readProgress),
      inbound: inThrees(inbound as number[]),
      lastNumber: lastNumber as number,
      lastPid: lastPid as number,
      ...(typeof will === "string" ? { will } : {}),
      ...(isOver === 1 ? { isOver: true } : {}),
    };
  } catch {
    return undefined;
  }
}

function readFilter([filter, qos, flags, handling, id]: Row): KeptFilter {
  return {
    filter: filter as string,
    qos: qos as Qos,
    noLocal: ((flags as number) & 1) !== 0,
    retainAsPublished: ((flags as number) & 2) !== 0,
    retainHandling: handling as number,
    subscriptionId: id === 0 ? undefined : (id as number),
  };
}

function readProgress([channel, epoch, passed, flat]: Row): KeptProgress {
  const numbers = flat as number[];
  const inFlight: KeptInFlight[] = [];
  for (let at = 0; at < numbers.length; at += 4) {
    const [offset = 0, pid = 0, qos = 1, released] = numbers.slice(at, at + 4);
    inFlight.push({ offset, pid, qos: qos as Qos, isReleased: released === 1 });
  }
  return {
    channel: channel as string,
    epoch: epoch as string,
    passed: passed as number,
    inFlight,
  };
}

function inThrees(numbers: readonly number[]): KeptInbound[] {
  const inbound: KeptInbound[] = [];
  for (let at = 0; at < numbers.length; at += 3) {
    const [pid = 0, number = 0, taken] = numbers.slice(at, at + 3);
    inbound.push({ pid, number, isTaken: taken === 1 });
  }
  return inbound;
}
