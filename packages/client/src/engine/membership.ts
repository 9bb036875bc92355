// Owns: this session's own entries in presence: who of the application wants to be a member where,
// and keeping that over connections (H7).
import { dataCopy } from "@holdfast/protocol";
import { repeatLater } from "./backoff.ts";
import { defined, type EngineContext } from "./engine-context.ts";
import { cannot, dataError, errorFromWire, type HoldfastError } from "./errors.ts";
import { isSame } from "./members.ts";
import type { EntryOnConnection, PresenceOnConnection } from "./presence-on-connection.ts";

/** Callers of `enter`, `update` and `leave` that may wait in one channel. */
const WAITING_MAX = 1_000;

export type Done = (error: HoldfastError | undefined) => void;

interface Entry {
  readonly channel: string;
  /** Who wants this session to be a member, and as what. The last one's data is shown. */
  readonly owners: Map<object, unknown>;
  /** Counts the changes of what is wanted. */
  version: number;
  waiting: { readonly version: number; readonly done: Done }[];
  /** The refusal that was told last. */
  refusal: string | undefined;
}

const wantedOf = ({ owners }: Entry): { readonly data: unknown } | undefined =>
  owners.size === 0 ? undefined : { data: [...owners.values()].at(-1) };

/** Entries of a client on its connections. */
export class Membership {
  readonly #engine: EngineContext;
  readonly #settled: () => void;
  /** Connections, the newest last. */
  readonly #attachments: readonly PresenceOnConnection[];
  readonly #entries = new Map<string, Entry>();

  /** `settled` is called whenever a change was answered. */
  constructor(
    engine: EngineContext,
    attachments: readonly PresenceOnConnection[],
    settled: () => void,
  ) {
    this.#engine = engine;
    this.#attachments = attachments;
    this.#settled = settled;
  }

  /** `owner` wants this session to be a member with this data, until it leaves. */
  enter(channel: string, owner: object, data: unknown, done: Done): void {
    let copy: unknown;
    try {
      // The application may change its own before the next connection is told.
      copy = dataCopy(data, "send presence");
    } catch (cause) {
      done(dataError(cause));
      return;
    }
    const entry = this.#entry(channel);
    if (!this.#mayWait(entry, done)) return;
    // The newest is the last.
    entry.owners.delete(owner);
    entry.owners.set(owner, copy);
    this.#change(entry, done);
  }

  update(channel: string, owner: object, data: unknown, done: Done): void {
    if (this.#entries.get(channel)?.owners.has(owner)) this.enter(channel, owner, data, done);
    else done(cannot("not_entered", `update ${channel}`, "expected enter() first"));
  }

  /** The session leaves with its last owner. */
  leave(channel: string, owner: object, done: Done): void {
    const entry = this.#entries.get(channel);
    if (!entry?.owners.has(owner)) {
      const found = "expected it on the handle that entered";
      done(entry?.owners.size ? cannot("not_entered", `leave ${channel}`, found) : undefined);
      return;
    }
    const wasShown = [...entry.owners.keys()].at(-1) === owner;
    entry.owners.delete(owner);
    if (wasShown) this.#change(entry, done);
    else done(undefined);
  }

  attached(attachment: PresenceOnConnection): void {
    for (const entry of this.#entries.values()) this.#send(attachment, entry);
  }

  detached(wasNewest: boolean): void {
    // At most one is left.
    const newest = this.#attachments[0]?.entries;
    for (const entry of [...this.#entries.values()]) {
      const known = newest?.get(entry.channel);
      // A newer connection that failed may have taken the entry over, and its node will end it:
      // take it back.
      if (known && wasNewest) {
        known.answered = 0;
        known.shown = undefined;
      }
      this.#sendToAll(entry);
    }
  }

  /** Whether the node of the connection has every entry, or refused it for good. */
  isSettled({ entries }: PresenceOnConnection): boolean {
    for (const { channel, owners, version } of this.#entries.values()) {
      const known = entries.get(channel);
      if (owners.size > 0 && !known?.shown && known?.answered !== version) return false;
    }
    return true;
  }

  /** Nobody wants it any more: the node ended it, or the client ended. */
  end(channel: string, error: HoldfastError): void {
    const entry = this.#entries.get(channel);
    if (!entry) return;
    const silent = entry.owners.size > 0 && entry.waiting.length === 0;
    entry.owners.clear();
    entry.version++;
    for (const { entries } of this.#attachments) entries.delete(channel);
    this.#settle(entry, error);
    if (silent && error.code === "subscription_ended") this.#engine.report(error);
  }

  endAll(error: HoldfastError): void {
    for (const channel of [...this.#entries.keys()]) this.end(channel, error);
  }

  #mayWait(entry: Entry, done: Done): boolean {
    const act = `enter ${entry.channel}`;
    let error = this.#engine.final;
    if (entry.waiting.length >= WAITING_MAX)
      error ??= cannot("queue_full", act, `${WAITING_MAX} changes wait`);
    if (error) done(error);
    return !error;
  }

  /** Tells the nodes at the end of the turn: of what changes several times in it only the last. */
  #change(entry: Entry, done: Done): void {
    entry.version++;
    entry.waiting.push({ version: entry.version, done });
    this.#engine.defer(() => this.#sendToAll(entry));
  }

  #sendToAll(entry: Entry): void {
    for (const attachment of this.#attachments) this.#send(attachment, entry);
    // Nobody wants it, and no connection has it: what waits has come true. Without a connection
    // the node ends the entry after its grace time.
    const known = this.#attachments.flatMap(({ entries }) => entries.get(entry.channel) ?? []);
    if (entry.owners.size === 0 && !known.some(({ busy, shown }) => busy || shown))
      this.#settle(entry, undefined);
  }

  /**
   * The entry belongs to the connection that entered last, and ends with it. So while a session
   * moves only the newest enters, and not before the older has its answer: what the older asked for
   * must not reach the broker after it.
   */
  #mayEnter(attachment: PresenceOnConnection, { channel }: Entry): boolean {
    return (
      this.#attachments.at(-1) === attachment &&
      !this.#attachments.some(({ entries }) => entries.get(channel)?.busy)
    );
  }

  #send(attachment: PresenceOnConnection, entry: Entry): void {
    const { channel, version } = entry;
    const wanted = wantedOf(entry);
    const known = attachment.entries.get(channel) ?? newEntryOnConnection();
    attachment.entries.set(channel, known);
    if (known.busy || known.answered === version || !(wanted || known.shown)) return;
    if (wanted && !this.#mayEnter(attachment, entry)) return;
    if (wanted && known.shown && isSame(wanted.data, known.shown.data)) {
      this.#settle(entry, undefined, version);
      return;
    }
    known.busy = true;
    const t: "enter" | "update" | "leave" = wanted ? (known.shown ? "update" : "enter") : "leave";
    attachment.connection.request(defined({ t, ch: channel, data: wanted?.data }), (answer) => {
      known.busy = false;
      if (!answer || !this.#attachments.includes(attachment)) return;
      const error = answer.t === "err" ? errorFromWire(answer) : undefined;
      if (error && (error.code !== "not_entered" || t === "enter")) {
        this.#onRefused({ entry, known, version }, error);
        return;
      }
      // `not_entered`: the node has nothing to leave, or wants an `enter`.
      known.shown = error ? undefined : wanted;
      known.tries = 0;
      if (!error || t === "leave") {
        known.answered = version;
        entry.refusal = undefined;
        this.#settle(entry, undefined, version);
      }
      this.#sendToAll(entry);
      this.#settled();
    });
  }

  #onRefused(
    at: { readonly entry: Entry; readonly known: EntryOnConnection; readonly version: number },
    error: HoldfastError,
  ): void {
    const { entry, known, version } = at;
    const { retry, retryAfterMs } = error;
    const isOver = retry === "never";
    if (!isOver || retryAfterMs)
      repeatLater(this.#engine, { tries: known.tries++, retryAfterMs }, () => {
        if (known.answered === version) known.answered = 0;
        this.#sendToAll(entry);
      });
    if (!isOver) return;
    known.answered = version;
    const told = entry.waiting.some((waiting) => waiting.version <= version);
    const newest = [...entry.owners.keys()].at(-1);
    // The node goes on showing what it has, and so does the next one.
    if (known.shown && newest && entry.version === version)
      entry.owners.set(newest, known.shown.data);
    if (!told && entry.refusal !== error.code) this.#engine.report(error);
    entry.refusal = error.code;
    this.#settle(entry, error, version);
    this.#sendToAll(entry);
    this.#settled();
  }

  /** Tells those whose change was answered, and forgets an entry that nobody wants. */
  #settle(entry: Entry, error: HoldfastError | undefined, upTo = entry.version): void {
    const settled = entry.waiting.filter(({ version }) => version <= upTo);
    entry.waiting = entry.waiting.filter(({ version }) => version > upTo);
    for (const { done } of settled) done(error);
    const { channel, owners, waiting } = entry;
    if (owners.size > 0 || waiting.length > 0 || this.#entries.get(channel) !== entry) return;
    this.#entries.delete(channel);
    for (const { entries } of this.#attachments) entries.delete(channel);
  }

  #entry(channel: string): Entry {
    const known = this.#entries.get(channel);
    if (known) return known;
    const entry: Entry = {
      channel,
      owners: new Map(),
      version: 0,
      waiting: [],
      refusal: undefined,
    };
    if (!this.#engine.final) this.#entries.set(channel, entry);
    return entry;
  }
}

const newEntryOnConnection = (): EntryOnConnection => ({
  answered: 0,
  busy: false,
  shown: undefined,
  tries: 0,
});
