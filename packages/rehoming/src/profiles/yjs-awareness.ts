// Owns: who of a document is present, as far as one client and its gateway know (Yjs awareness).
import { areEqual, copied, joined, Lib0Reader, sized } from "./lib0.ts";

/** One client's state: a JSON text, which is `null` once the client has left. */
interface Entry {
  readonly id: number;
  /** A state counts if its clock is higher than the last one's. */
  readonly clock: number;
  readonly state: Uint8Array;
}

/**
 * Ids that are remembered until the client has said which one is its own. If there are more, the
 * gateway does not know which one that is, and says nothing in its name.
 */
const HEARD_MAX = 256;
const HEARD_BYTES = 32;
const NULL = new Uint8Array([110, 117, 108, 108]);
const isNull = ({ state }: Entry): boolean => areEqual(state, NULL);

/**
 * Clients that this gateway holds, by document and id. A server that one of them leaves tells the
 * others that it is gone. That is not so, and whoever is behind this gateway is not told.
 */
export class LiveClients {
  readonly #owners = new Map<string, Presence>();

  add(key: string, owner: Presence): void {
    this.#owners.set(key, owner);
  }

  remove(key: string, owner: Presence): void {
    if (this.#owners.get(key) === owner) this.#owners.delete(key);
  }

  has(key: string): boolean {
    return this.#owners.has(key);
  }
}

/**
 * One client's own presence in one document. Yjs clients may also repeat what they heard of others.
 * So the own id is the one that the client says hello with, or the first that it tells before it
 * heard of it.
 */
export class Presence {
  readonly #live: LiveClients;
  readonly #document: string;
  #heard: Set<number> | undefined = new Set();
  /** As servers were told. */
  #own: Entry | undefined;
  #hasMoved = false;

  constructor(live: LiveClients, document: string) {
    this.#live = live;
    this.#document = document;
  }

  get bytes(): number {
    return (this.#own?.state.length ?? 0) + HEARD_BYTES * (this.#heard?.size ?? 0);
  }

  /**
   * What the server is to hear of it. `isBehind`: servers knew a higher clock than the client's.
   */
  fromClient(
    update: Uint8Array,
    isHello: boolean,
  ): { readonly told: Uint8Array; readonly isBehind: boolean } {
    let isBehind = false;
    const all = entries(update);
    // A server may still know the client by a connection that broke.
    if (isHello && all?.length === 1) this.#heard?.delete(all[0]?.id ?? -1);
    const told = all?.map((entry) => {
      if (!this.#isOwn(entry)) return entry;
      const raised = this.#raised(entry);
      if (raised !== entry) isBehind = true;
      this.#keep(raised);
      return raised;
    });
    return { told: isBehind && told !== undefined ? written(told) : update, isBehind };
  }

  /** What the client is to hear of it. Undefined: nothing. */
  fromUpstream(update: Uint8Array): Uint8Array | undefined {
    const all = entries(update);
    if (all === undefined) return update;
    for (const { id } of all) this.#heard?.add(id);
    if (this.#heard !== undefined && this.#heard.size > HEARD_MAX) this.#heard = undefined;
    const told = all.filter(
      (entry) =>
        entry.id === this.#own?.id || !isNull(entry) || !this.#live.has(this.#key(entry.id)),
    );
    if (told.length === all.length) return update;
    return told.length === 0 ? undefined : written(told);
  }

  /**
   * What the next server is told, if the client is present. The clock is higher than the last one:
   * the former server said that the client is gone, and others believed it.
   */
  announced(): Uint8Array | undefined {
    if (this.#own === undefined || isNull(this.#own)) return undefined;
    this.#hasMoved = true;
    this.#own = { ...this.#own, clock: this.#own.clock + 1 };
    return written([this.#own]);
  }

  /**
   * Tells the client that somebody said it is gone. A client that is told so raises its clock, and
   * so it has the one that servers know.
   */
  get doubt(): Uint8Array | undefined {
    if (this.#own === undefined || isNull(this.#own)) return undefined;
    return written([{ ...this.#own, clock: this.#own.clock - 1, state: NULL }]);
  }

  /** As `restore` wants it. Empty: nothing is known of it. */
  save(): Uint8Array {
    return this.#own === undefined ? new Uint8Array() : written([this.#own]);
  }

  restore(saved: Uint8Array): void {
    const [own] = entries(saved) ?? [];
    if (own !== undefined) this.#keep(own);
  }

  ended(): void {
    if (this.#own !== undefined) this.#live.remove(this.#key(this.#own.id), this);
  }

  #isOwn(entry: Entry): boolean {
    if (this.#own !== undefined) return entry.id === this.#own.id;
    return this.#heard?.has(entry.id) === false && !isNull(entry);
  }

  /** A client that has not heard of its higher clock yet would not be believed. */
  #raised(entry: Entry): Entry {
    const own = this.#own;
    if (own === undefined || !this.#hasMoved || entry.clock > own.clock) return entry;
    if (entry.clock === own.clock && areEqual(entry.state, own.state)) return entry;
    return { ...entry, clock: own.clock + 1 };
  }

  #keep(entry: Entry): void {
    this.#heard = undefined;
    this.#own = { ...entry, state: copied(entry.state) };
    const key = this.#key(entry.id);
    if (isNull(entry)) this.#live.remove(key, this);
    else this.#live.add(key, this);
  }

  #key(id: number): string {
    return `${this.#document}\n${id}`;
  }
}

/** Undefined: it is no awareness update. */
function entries(update: Uint8Array): readonly Entry[] | undefined {
  const reader = new Lib0Reader(update);
  const found: Entry[] = [];
  for (let left = reader.uint(); left > 0 && !reader.isBroken; left--)
    found.push({ id: reader.uint(), clock: reader.uint(), state: reader.bytes() });
  return reader.isBroken ? undefined : found;
}

const written = (all: readonly Entry[]): Uint8Array =>
  joined(all.length, ...all.flatMap(({ id, clock, state }) => [id, clock, sized(state)]));
