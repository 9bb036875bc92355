// Owns: tickets: short-lived tokens for clients that can say who they are in a URL only, and the
// proofs with which such a client returns.
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Identity } from "@holdfast/contract";
import { createResumeTokens } from "./resume-token.ts";

/** How long a ticket opens a stream. URLs are written into logs: nobody can use it afterwards. */
export const TICKET_MS = 60_000;
/** How long after its making a ticket may come back with proofs. */
const TICKET_LIFE_MS = 24 * 60 * 60_000;
const PREFIX = "hft.";
/** 96 bits. */
const MAC_LENGTH = 16;
/** Proofs of one ticket within this time have the same text. */
const PROOF_STEP_MS = 30_000;

export interface Ticket {
  readonly ticket: string;
  readonly expiresMs: number;
}

export interface Tickets {
  /** A ticket for somebody whose token was checked just now. It says what the token said. */
  issue(identity: Identity, nowMs: number): Ticket;
  /** Undefined: not one of ours. Somebody else's, or one that is over, is "expired". */
  open(ticket: string, nowMs: number): Identity | "expired" | undefined;
  /**
   * Text of 22 characters or so that only readers of the stream see: with it the ticket opens a
   * stream again, for as long as a resume token is good.
   */
  prove(ticket: string, nowMs: number): string;
  /** A fresh ticket for a reader that proves that it read the stream of this one. */
  renew(ticket: string, proof: string, nowMs: number): string | undefined;
}

export const isTicket = (token: string): boolean => token.startsWith(PREFIX);

/** `proofMs`: how long a reader may stay away. */
export function createTickets(secrets: readonly string[], proofMs: number): Tickets {
  const own = secrets.map((secret) => derived(secret, "holdfast ticket 1"));
  const proofKeys = secrets.map((secret) => derived(secret, "holdfast ticket proof 1"));
  const signed = createResumeTokens({ secrets: own, ttlMs: TICKET_LIFE_MS });
  const read = (ticket: string, nowMs: number) =>
    isTicket(ticket) ? signed.open(ticket.slice(PREFIX.length), nowMs) : undefined;
  const issue = (identity: Identity, nowMs: number): Ticket => ({
    ticket: PREFIX + signed.issue("ticket", identity, nowMs),
    expiresMs: Math.min(TICKET_MS, (identity.expiresAtMs ?? Number.POSITIVE_INFINITY) - nowMs),
  });
  return {
    issue,
    open(ticket, nowMs) {
      const opened = read(ticket, nowMs);
      if (opened === undefined) return undefined;
      const isOver = opened.expired === true || nowMs - opened.issuedAtMs > TICKET_MS;
      return isOver ? "expired" : opened.identity;
    },
    prove(ticket, nowMs) {
      const until = Math.ceil((nowMs + proofMs) / PROOF_STEP_MS).toString(36);
      return `${until}.${mac(proofKeys[0] ?? "", ticket, until)}`;
    },
    renew(ticket, proof, nowMs) {
      const [until = "", given = ""] = proof.split(".");
      const isProven = proofKeys.some((key) => isEqual(given, mac(key, ticket, until)));
      if (!isProven || Number.parseInt(until, 36) * PROOF_STEP_MS <= nowMs) return undefined;
      const opened = read(ticket, nowMs);
      if (opened === undefined || opened.expired === true) return undefined;
      return issue(opened.identity, nowMs).ticket;
    },
  };
}

const derived = (secret: string, what: string): string =>
  createHmac("sha256", secret).update(what).digest("hex");

const mac = (key: string, ticket: string, until: string): string =>
  createHmac("sha256", key).update(`${until}.${ticket}`).digest("base64url").slice(0, MAC_LENGTH);

function isEqual(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a, "utf8"), Buffer.from(b, "utf8")];
  return left.length === right.length && timingSafeEqual(left, right);
}
