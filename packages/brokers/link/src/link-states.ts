// Owns: both ends of the state store on the broker link: a node's requests, and how the supervisor
// carries them out on its view of the broker.
import {
  type Broker,
  demandStateKey,
  demandStateOwner,
  demandStateValue,
  type HeldState,
  type StateHold,
  type StateStore,
  type StoredState,
  stateMs,
} from "@holdfast/core";
import {
  bytesOrNone,
  count,
  flag,
  LINK,
  type LinkMessage,
  list,
  optionalText,
  text,
  wireBytes,
} from "./link-wire.ts";

/** Sends one request and waits for its answer. `bytes` is an estimate of its size. */
export type Ask = (write: (id: number) => LinkMessage, bytes: number) => Promise<unknown>;

/** Most holds in one request; their keys and owners fit into a frame. */
const RENEWED_AT_ONCE = 500;

const writeHold = ({ owner, fence }: StateHold): unknown[] => [owner, fence];

function readHold(value: unknown): StateHold {
  const [owner, fence] = list(value);
  return { owner: text(owner), fence: count(fence) };
}

/** A node's end. What is too long is refused before it is sent. */
export function linkStates(ask: Ask): StateStore {
  return {
    async take(key, { owner, leaseMs, ifFree = false, party, mayGrow = true }) {
      demandStateKey(key);
      demandStateOwner(owner);
      const how = [owner, stateMs(leaseMs), ifFree, party ?? null, mayGrow];
      const answer = await ask(
        (id) => [LINK.takeState, id, key, how],
        wireBytes(undefined, key, owner, party),
      );
      return answer === null ? undefined : readHeld(owner, answer);
    },
    async write(key, hold, value, { leaseMs, keepMs, party, mayGrow = true }) {
      demandStateKey(key);
      demandStateValue(value);
      const how = [stateMs(leaseMs), stateMs(keepMs), party ?? null, mayGrow];
      await ask(
        (id) => [LINK.writeState, id, key, writeHold(hold), value ?? null, how],
        wireBytes(undefined, key, hold.owner, party) + (value?.byteLength ?? 0),
      );
    },
    async renew(holds, leaseMs) {
      const ms = stateMs(leaseMs);
      const parts: Promise<unknown>[] = [];
      for (let from = 0; from < holds.length; from += RENEWED_AT_ONCE) {
        const part = holds.slice(from, from + RENEWED_AT_ONCE);
        const bytes = part.reduce(
          (sum, { key, owner }) => sum + wireBytes(undefined, key, owner),
          0,
        );
        const written = part.map((hold) => [hold.key, ...writeHold(hold)]);
        parts.push(ask((id) => [LINK.renewStates, id, written, ms], bytes));
      }
      return (await Promise.all(parts)).flatMap((ended) => list(ended).map(text));
    },
    async release(key, hold) {
      await ask(
        (id) => [LINK.releaseState, id, key, writeHold(hold)],
        wireBytes(undefined, key, hold.owner),
      );
    },
    async read(key) {
      demandStateKey(key);
      const answer = await ask((id) => [LINK.readState, id, key], wireBytes(undefined, key));
      return answer === null ? undefined : readStored(answer);
    },
    async list({ prefix, after, limit }) {
      const names = await ask(
        (id) => [LINK.listStates, id, prefix, after ?? null, Math.max(0, limit)],
        wireBytes(undefined, prefix, after),
      );
      return list(names).map(text);
    },
  };
}

function readHeld(owner: string, value: unknown): HeldState {
  const [fence, bytes, before] = list(value);
  const held = { owner, fence: count(fence), value: bytesOrNone(bytes) };
  return before === null ? held : { ...held, before: text(before) };
}

function readStored(value: unknown): StoredState {
  const [bytes, fence, owner, leaseMs] = list(value);
  const stored = { value: bytesOrNone(bytes), fence: count(fence), leaseMs: count(leaseMs) };
  return owner === null ? stored : { ...stored, owner: text(owner) };
}

type Answer = Promise<{ readonly result: unknown; readonly bytes: number }>;

const done = { result: null, bytes: 16 };

/** The supervisor's end, by the type of the request. Fields are read before anything is awaited. */
export const STATE_HANDLERS: readonly (readonly [
  number,
  (view: Broker, fields: LinkMessage) => Answer,
])[] = [
  [
    LINK.takeState,
    async ({ states }, [, , key, how]) => {
      const [owner, leaseMs, ifFree, party, mayGrow] = list(how);
      const held = await states.take(text(key), {
        owner: text(owner),
        leaseMs: count(leaseMs),
        ifFree: flag(ifFree),
        mayGrow: flag(mayGrow),
        ...partyOf(party),
      });
      if (held === undefined) return done;
      const { fence, value, before } = held;
      return {
        result: [fence, value ?? null, before ?? null],
        bytes: wireBytes(undefined, before) + (value?.byteLength ?? 0),
      };
    },
  ],
  [
    LINK.writeState,
    async ({ states }, [, , key, hold, value, how]) => {
      const [leaseMs, keepMs, party, mayGrow] = list(how);
      await states.write(text(key), readHold(hold), bytesOrNone(value), {
        leaseMs: count(leaseMs),
        keepMs: count(keepMs),
        mayGrow: flag(mayGrow),
        ...partyOf(party),
      });
      return done;
    },
  ],
  [
    LINK.renewStates,
    async ({ states }, [, , holds, leaseMs]) => {
      const read = list(holds).map((hold) => {
        const [key, ...rest] = list(hold);
        return { key: text(key), ...readHold(rest) };
      });
      return namesOf(await states.renew(read, count(leaseMs)));
    },
  ],
  [
    LINK.releaseState,
    async ({ states }, [, , key, hold]) =>
      states.release(text(key), readHold(hold)).then(() => done),
  ],
  [
    LINK.readState,
    async ({ states }, [, , key]) => {
      const stored = await states.read(text(key));
      if (stored === undefined) return done;
      const { value, fence, owner, leaseMs } = stored;
      return {
        result: [value ?? null, fence, owner ?? null, leaseMs],
        bytes: wireBytes(undefined, owner) + (value?.byteLength ?? 0),
      };
    },
  ],
  [
    LINK.listStates,
    async ({ states }, [, , prefix, after, limit]) => {
      const from = optionalText(after);
      const query = { prefix: text(prefix), limit: count(limit) };
      return namesOf(await states.list(from === undefined ? query : { ...query, after: from }));
    },
  ],
];

const partyOf = (party: unknown): { readonly party?: string } =>
  party === null ? {} : { party: text(party) };

const namesOf = (names: readonly string[]) => ({
  result: names,
  bytes: names.reduce((sum, name) => sum + 8 + 3 * name.length, 16),
});
