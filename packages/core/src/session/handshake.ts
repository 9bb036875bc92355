// Owns: a connection's beginning: limits, admission, identity, session.

import { type Contract, type Identity, passesAfterMs } from "@holdfast/contract";
import type { CodeName } from "@holdfast/protocol";
import type { Contexts } from "../application/contexts.ts";
import type { DoorConnect } from "../door.ts";
import type { Observer } from "../observer.ts";
import { type Admission, createAdmission } from "../pacing/admission.ts";
import type { Authenticator, Clock, OpenedResume, Random } from "../ports.ts";
import type { NodeSettings } from "../settings.ts";
import type { Connection } from "./connection.ts";
import type { Felt } from "./felt.ts";
import type { Farewell, Sessions } from "./sessions.ts";
import { partyOf, type Shares } from "./shares.ts";
import { Waiting } from "./waiting.ts";

/** What the handshake needs of the node. */
export interface HandshakeNeeds {
  readonly clock: Clock;
  readonly random: Random;
  readonly authenticator: Authenticator;
  readonly contract: Pick<Contract, "hooks" | "subscribePolicy">;
  readonly contexts: Pick<Contexts, "of" | "away">;
  readonly observer: Pick<Observer, "authFailed" | "bug" | "handshake" | "overShare">;
  readonly felt: Pick<Felt, "resumed" | "resumeFailed">;
  readonly sessions: Sessions;
  settings(): NodeSettings;
}

/** What the handshake must know of the fleet and of what is over. */
export interface HandshakeNode {
  readonly shares: Shares;
  readonly revocations: {
    revoked(session: string, user: string | undefined, issuedAtMs: number): boolean;
  };
  readonly fleet: {
    readonly handshakesPerSecond: number;
    windowMs(): number;
    /** Ms after which a session that moves should come again; 0: it is taken. */
    turnedAwayMs(session: string): number;
    tookBack(before: Connection): void;
    readonly hasRoomElsewhere: boolean;
    others(): readonly unknown[];
    tookIn(): void;
  };
  readonly drain: {
    /** Newcomers are turned away. */
    readonly refusing: boolean;
    /** A session that the drain sends away came back: ms after which it should try again. */
    cameBackMs(before: Connection): number;
  };
}

interface Verdict {
  readonly code: CodeName;
  readonly farewell?: Farewell;
}

/** `verified`: by a token, just now; otherwise a session comes from its resume token. */
type Found =
  | {
      readonly identity: Identity;
      readonly session?: string;
      readonly verified?: true;
      /** Of a session that goes on with the claims that it had. */
      readonly entitledSinceMs?: number | undefined;
    }
  | Verdict;

/** It has a slot of its own: no window on top of it. */
const later = (retryMs: number): Verdict => ({
  code: "try_later",
  farewell: { retryMs: Math.ceil(retryMs), windowMs: 0 },
});
const LIMIT: Verdict = { code: "connection_limit" };
/** Share of the node's connections that only addresses with few of them may use. */
const LIGHT_SHARE = 0.1;
/** What a token that is refused costs its address's share at most: as many handshakes. */
const REFUSED_TOKEN_COST_MAX = 10;
const RETRY_MS_MAX = 120_000;

export class Handshake {
  readonly #parts: HandshakeNeeds;
  readonly #node: HandshakeNode;
  readonly #admission: Admission;
  readonly #waiting: Waiting;

  constructor(parts: HandshakeNeeds, node: HandshakeNode) {
    this.#parts = parts;
    this.#node = node;
    this.#waiting = new Waiting({ ...parts, fleet: node.fleet });
    this.#admission = createAdmission(parts.settings().admission, parts.clock.nowMs());
  }

  /** Goes on with the settings and the measured capacity of now. */
  configure(): void {
    const { resumeReserve } = this.#parts.settings().admission;
    this.#node.shares.configure(this.#parts.settings(), this.#node.fleet.handshakesPerSecond);
    this.#admission.configure(
      { resumeReserve, handshakesPerSecond: this.#node.fleet.handshakesPerSecond },
      this.#parts.clock.nowMs(),
    );
  }

  /** Why a new connection cannot stay, before it said anything; undefined: it can. */
  limitReached(connection: Connection): Verdict | undefined {
    const { sessions } = this.#parts;
    const { limits } = this.#parts.settings();
    const mine = sessions.ofAddress(connection.link.address);
    const count = sessions.connections.size;
    // The last tenth is for addresses that have less than the mean.
    const isHeavy = sessions.addresses > 1 && mine * sessions.addresses > count;
    if (count > limits.connectionsMax * (isHeavy ? 1 - LIGHT_SHARE : 1))
      return later(this.#waiting.fullMs(connection));
    // It may bring back a session that had its place: what it says decides.
    if (mine > limits.connectionsPerAddressMax * this.#nodes()) return LIMIT;
    if (sessions.opening > limits.handshakesInFlightMax) return this.#makeWay(connection);
    return undefined;
  }

  /**
   * Too many handshakes are under way: the address that has the most gives up its oldest that has
   * said nothing. Whoever means it says connect at once, so nobody is kept out by silence.
   */
  #makeWay(connection: Connection): Verdict | undefined {
    const oldest = this.#parts.sessions.oldestSilent();
    if (oldest === undefined || oldest === connection)
      return later(this.#waiting.busyMs(connection));
    this.#refuse(oldest, later(this.#waiting.busyMs(oldest)));
    return undefined;
  }

  /** Answers the connect frame: `connected`, or a goodbye. `then` runs after `connected`. */
  async connect(connection: Connection, frame: DoorConnect, then: () => void): Promise<void> {
    connection.phase = "checking";
    const found = await this.#find(connection, frame);
    if ((connection.phase as string) === "ended") return;
    if ("code" in found) return this.#refuse(connection, found);
    connection.identity = found.identity;
    connection.entitledSinceMs = found.entitledSinceMs ?? this.#parts.clock.wallMs();
    connection.client = frame.client;
    connection.idleMs = frame.idleMs;
    connection.session = found.session ?? this.#parts.random.id();
    const refused = await this.#askApplication(
      connection,
      found.session !== undefined && found.verified !== true,
    );
    if ((connection.phase as string) === "ended") return;
    const verdict =
      refused ??
      this.#addressLimit(connection, found.session) ??
      this.#userLimit(connection, found.session);
    if (verdict !== undefined) return this.#refuse(connection, verdict);
    this.#establish(connection, frame, found.session !== undefined);
    then();
  }

  /**
   * Cheap checks first: a resume token costs one hash, then admission, and only then a token's
   * verification (rule 4 of docs/design/holding-connections.md).
   */
  async #find(connection: Connection, frame: DoorConnect): Promise<Found> {
    const { random, authenticator } = this.#parts;
    if (this.#node.drain.refusing)
      return { code: "draining", farewell: this.#whileDraining(frame) };
    const opened = frame.resume === undefined ? undefined : this.#openResume(frame.resume);
    const resumed = opened?.expired === true ? undefined : opened;
    // Before anything costly. Whose resume token has expired may still prove to be the same user.
    const overLimit = this.#addressLimit(connection, opened?.session);
    if (overLimit !== undefined) return overLimit;
    // Whoever had a session does not become anonymous by it: it is asked for its token first.
    if (resumed === undefined && frame.resume !== undefined && frame.token === undefined)
      return { code: this.#resumeFailed(connection, frame.resume, opened) };
    if (resumed !== undefined && frame.moving === true) {
      const awayMs = this.#node.fleet.turnedAwayMs(resumed.session);
      if (awayMs > 0) return later(awayMs * (0.5 + random.next()));
    }
    const retryMs = this.#admit(connection, resumed);
    if (retryMs > 0) return later(retryMs);
    if (resumed !== undefined)
      return {
        identity: resumed.identity,
        session: resumed.session,
        entitledSinceMs: this.#entitledSinceMs(resumed),
      };
    if (frame.identity !== undefined) return { identity: frame.identity, verified: true };
    if (frame.token === undefined) {
      const identity = authenticator.anonymous();
      return identity === undefined ? { code: "unauthorized" } : { identity };
    }
    const verified = await authenticator.verify(frame.token);
    if (verified.ok)
      return {
        identity: verified.identity,
        verified: true,
        ...sessionOfSame(verified.identity, opened),
      };
    const { code, message } = verified;
    if (code !== "try_later") this.#chargeRefused(connection);
    return {
      code,
      farewell:
        verified.code === "try_later" ? { message, retryMs: verified.retryMs } : { message },
    };
  }

  /** Others come back at once: they may reach another node. */
  #whileDraining({ moving, resume }: DoorConnect): Farewell {
    const opened = moving === true && resume !== undefined ? this.#openResume(resume) : undefined;
    const before = opened && this.#parts.sessions.get(opened.session);
    const windowMs = this.#node.fleet.windowMs();
    return before === undefined
      ? { windowMs }
      : { windowMs, retryMs: this.#node.drain.cameBackMs(before) };
  }

  /**
   * 0, or ms after which to come back. Whoever asks for more than its share gets no slot of the
   * others: it is told a time of its own. A resume token proves the user, so colleagues behind one
   * address do not share when all of them move.
   */
  #admit({ link, identity }: Connection, resumed: OpenedResume | undefined): number {
    const { clock, random, observer } = this.#parts;
    const [what, kind] =
      resumed === undefined
        ? (["newcomers", "newcomer"] as const)
        : (["resumes", "resume"] as const);
    const party = partyOf({ link, identity: resumed?.identity ?? identity });
    const nowMs = clock.nowMs();
    const shareMs = this.#node.shares.of(what).take(party, 1, nowMs);
    if (shareMs === 0) return this.#admission.ask(nowMs, kind, random.next());
    observer.overShare(what);
    return Math.min(shareMs, RETRY_MS_MAX) * (1 + random.next() / 4);
  }

  /**
   * As much again as the address has used, so that the cost grows with each that follows. If all
   * are refused once, by a wrong clock or key, nobody waits for long when that is over.
   */
  #chargeRefused(connection: Connection): void {
    const share = this.#node.shares.of("newcomers");
    const [party, nowMs] = [partyOf(connection), this.#parts.clock.nowMs()];
    const cost = Math.min(REFUSED_TOKEN_COST_MAX, Math.max(1, share.usedBy(party, nowMs)));
    share.charge(party, cost, nowMs);
  }

  /** An expired token is no failure: its client comes back with a new one. */
  #resumeFailed(connection: Connection, token: string, opened: OpenedResume | undefined): CodeName {
    if (opened !== undefined) return "token_expired";
    this.#parts.felt.resumeFailed(partyOf(connection), token);
    return "resume_rejected";
  }

  #openResume(token: string): OpenedResume | undefined {
    const { authenticator, clock } = this.#parts;
    const opened = authenticator.openResume(token, clock.wallMs());
    if (
      opened === undefined ||
      this.#node.revocations.revoked(opened.session, opened.identity.user, opened.issuedAtMs)
    )
      return undefined;
    return opened;
  }

  /** Undefined if the token does not know it, or another contract granted it. */
  #entitledSinceMs({ entitled }: OpenedResume): number | undefined {
    return entitled?.policy === this.#parts.contract.subscribePolicy ? entitled.sinceMs : undefined;
  }

  async #askApplication(connection: Connection, resumed: boolean): Promise<Verdict | undefined> {
    const { onConnect } = this.#parts.contract.hooks;
    if (resumed || onConnect === undefined) return undefined;
    try {
      const refusal = await onConnect(connection.view, this.#parts.contexts.of(connection));
      return refusal
        ? { code: "rejected_connect", farewell: { message: refusal.reject } }
        : undefined;
    } catch (error) {
      const retryMs = passesAfterMs(error);
      if (retryMs !== undefined) {
        this.#parts.contexts.away("onConnect", error);
        return { code: "try_later", farewell: { retryMs } };
      }
      this.#parts.observer.bug("onConnect", error);
      return { code: "internal" };
    }
  }

  /**
   * A session that comes back had its place on some node: together they may have had as many as the
   * limit for each. Two nodes at least: the one that the session was on may have died.
   */
  #nodes(): number {
    return Math.max(2, this.#node.fleet.others().length + 1);
  }

  /** For sessions that come back, `limitReached` has looked. */
  #addressLimit({ link }: Connection, session: string | undefined): Verdict | undefined {
    const { sessions, settings } = this.#parts;
    if (session !== undefined) return undefined;
    const { connectionsPerAddressMax } = settings().limits;
    return sessions.ofAddress(link.address) > connectionsPerAddressMax ? LIMIT : undefined;
  }

  #userLimit(connection: Connection, session: string | undefined): Verdict | undefined {
    const { user } = connection.identity;
    const { sessions } = this.#parts;
    if (user === undefined || (session !== undefined && sessions.get(session) !== undefined))
      return undefined;
    const { connectionsPerUserMax } = this.#parts.settings().limits;
    const nodes = session === undefined ? 1 : this.#nodes();
    return sessions.ofUser(user).size >= connectionsPerUserMax * nodes ? LIMIT : undefined;
  }

  #establish(connection: Connection, frame: DoorConnect, resumed: boolean): void {
    const { authenticator, clock, contract, observer, sessions, settings } = this.#parts;
    const { session, identity } = connection;
    const before = sessions.get(session);
    if (before !== undefined && frame.moving === true) {
      // At most two: a third replaces the oldest.
      if (before.older !== undefined) sessions.end(before.older, "session_replaced");
      connection.older = before;
      this.#node.fleet.tookBack(before);
    } else if (before !== undefined) {
      if (before.older !== undefined) sessions.end(before.older, "session_replaced");
      sessions.end(before, "session_replaced");
    }
    sessions.establish(connection);
    // Not before: a drain would send migrate to a client that is not connected yet.
    connection.migrates = frame.migrates === true;
    if (resumed) this.#parts.felt.resumed();
    else if (frame.resume !== undefined)
      this.#parts.felt.resumeFailed(partyOf(connection), frame.resume);
    if (resumed) connection.restores = settings().limits.presencePerConnectionMax;
    this.#node.fleet.tookIn();
    const wallMs = clock.wallMs();
    connection.resumeIssuedMs = wallMs;
    connection.windowToldMs = this.#node.fleet.windowMs();
    const { timeouts, limits, nodeId } = settings();
    connection.send({
      t: "connected",
      id: frame.id,
      session,
      ...(identity.user === undefined ? {} : { user: identity.user }),
      node: nodeId,
      resumed,
      resume: authenticator.issueResume(session, identity, wallMs, {
        sinceMs: connection.entitledSinceMs,
        policy: contract.subscribePolicy,
      }),
      pingMs: timeouts.pingMs,
      windowMs: connection.windowToldMs,
      ...(identity.expiresAtMs === undefined
        ? {}
        : { expiresMs: Math.max(0, Math.round(identity.expiresAtMs - wallMs)) }),
      messageBytesMax: limits.messageBytesMax,
      time: wallMs,
    });
    observer.handshake(
      resumed ? (frame.moving ? "moved" : "resumed") : "connected",
      undefined,
      clock.nowMs() - connection.openedMs,
    );
  }

  #refuse(connection: Connection, { code, farewell }: Verdict): void {
    const { observer, sessions, clock } = this.#parts;
    observer.handshake("refused", code, clock.nowMs() - connection.openedMs);
    if (AUTH_CODES.has(code)) observer.authFailed(code);
    sessions.end(connection, code, farewell);
  }
}

/**
 * A session outlives its token where a new one proves the same user (H7). Nobody can prove to be
 * the same anonymous one.
 */
function sessionOfSame(
  { user }: Identity,
  opened: OpenedResume | undefined,
): { readonly session?: string } {
  return opened !== undefined && user !== undefined && opened.identity.user === user
    ? { session: opened.session }
    : {};
}

const AUTH_CODES: ReadonlySet<CodeName> = new Set<CodeName>([
  "unauthorized",
  "token_invalid",
  "token_expired",
  "resume_rejected",
  "rejected_connect",
]);
